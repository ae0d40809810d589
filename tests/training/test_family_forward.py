from dataclasses import replace

import numpy as np
import pytest
from convdip_training.anatomy.families import N_PLACES
from convdip_training.anatomy.family_forward import training_family
from convdip_training.anatomy.head_model import build_head
from convdip_training.config import FamilyConfig, HeadConfig

FAMILY = FamilyConfig(skull_s_m=(0.006, 0.02), spacing="ico3")


@pytest.fixture(scope="module")
def own(bert, trans):
    return HeadConfig(
        subject="bert", subjects_dir=str(bert.parent), trans=str(trans), spacing="ico2"
    )


@pytest.mark.long
def test_a_family_is_the_head_with_other_skulls_and_caps_on_a_finer_cortex(own, tmp_path, caplog):
    cortex, family = training_family(FAMILY, own, 5, tmp_path)
    assert cortex.n_dipoles == 1284
    assert family.lead_fields.shape == (2, 1 + N_PLACES, 31, 1284)
    caplog.clear()
    _, again = training_family(FAMILY, own, 5, tmp_path)
    assert not caplog.messages  # from the cache
    np.testing.assert_array_equal(again.lead_fields, family.lead_fields)

    # The first place is the cap's own: there, and with the first skull, the head is the model's.
    unmoved = family.lead_fields[0, 0]
    head = build_head(replace(own, spacing="ico3"))
    np.testing.assert_allclose(
        unmoved - unmoved.mean(axis=0), head.lead_field, rtol=1e-3, atol=1e-2
    )
    # Four millimetres change an electrode's potentials, a leakier skull weakens none less.
    moved = family.lead_fields[0, 1:]
    change = np.linalg.norm(moved - unmoved, axis=(1, 2)) / np.linalg.norm(unmoved)
    assert np.all((change > 0.02) & (change < 0.5))
    assert np.linalg.norm(family.lead_fields[1]) > 1.2 * np.linalg.norm(family.lead_fields[0])
