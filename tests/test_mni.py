from __future__ import annotations

import numpy as np
from convdip.mni import mni_mm


def test_mni_coordinates_agree_with_mne(shipped):
    """MNE's own for fsaverage are MNI305; MNI152 is a few millimetres from there."""
    places = shipped.head.dipoles_m[::500]
    moved = np.array([mni_mm(place) for place in places])
    assert np.abs(moved - places * 1e3).max() < 5
    # FreeSurfer's page gives this example.
    example = mni_mm(np.array([0.010, -0.020, 0.035], np.float32))
    np.testing.assert_allclose(example, [10.695, -18.409, 36.137], atol=0.01)
