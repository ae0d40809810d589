"""Parts of the cortex by name, or by place."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.regions import atlas_regions, find_regions
from convdip.mni import mni_mm


def test_the_atlas_covers_the_cortex_once(shipped):
    head = shipped.head
    regions = atlas_regions(head)
    assert len(regions) == 68
    together = np.concatenate([region.dipoles for region in regions])
    assert len(set(together.tolist())) == together.size
    np.testing.assert_array_equal(np.sort(together), np.flatnonzero(head.is_cortex))


def test_a_name_without_hemisphere_is_both(shipped):
    both = find_regions(shipped.head, ["cuneus"])
    assert [region.name for region in both] == ["cuneus-lh", "cuneus-rh"]
    [one] = find_regions(shipped.head, ["cuneus-rh"])
    np.testing.assert_array_equal(one.dipoles, both[1].dipoles)
    assert (one.dipoles >= shipped.head.n_left).all()


def test_a_sphere_is_the_cortex_within_it(shipped):
    head = shipped.head
    [sphere] = find_regions(head, ["mni:-10 -92 2 15"])
    at_mm = np.array([mni_mm(place) for place in head.dipoles_m])
    distances_mm = np.linalg.norm(at_mm - [-10, -92, 2], axis=1)
    np.testing.assert_array_equal(
        sphere.dipoles, np.flatnonzero((distances_mm <= 15) & head.is_cortex)
    )
    centre_mm = mni_mm(sphere.centroid_m(head))
    assert np.linalg.norm(centre_mm - [-10, -92, 2]) < 15


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("cuneos", "did you mean cuneus"),
        ("Oz", "no region 'Oz'"),
        ("unknown", "no region"),
        ("", "no region"),
        ("mni:1 2 3", "is no sphere"),
        ("mni:a b c d", "is no sphere"),
        ("mni:0 0 0 -5", "radius above 0"),
        ("mni:0 0 nan 5", "finite"),
        ("mni:0 0 0 inf", "finite"),
        ("mni:0 200 0 10", "the nearest is"),
    ],
)
def test_what_is_no_region_is_refused_with_what_to_do(shipped, said, message):
    with pytest.raises(ConfigError, match=message):
        find_regions(shipped.head, [said])
