"""Heads of other shapes: a subject's surfaces, stretched along its axes."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
from mne.io.constants import FIFF
from numpy.typing import NDArray

from convdip_training.anatomy.caps import Places
from convdip_training.anatomy.subject import Subject

STRETCHED = ("surf/?h.white", "surf/?h.pial", "bem/*.surf")


def stretch_subject(subject: Subject, factors: tuple[float, float, float]) -> None:
    """Stretch a subject's surfaces, in place; its folder must be a copy.

    Parameters
    ----------
    subject : Subject
    factors : tuple of float
        Along x, y and z of the MRI (surface RAS) frame.
    """
    for path in (path for kind in STRETCHED for path in subject.folder.glob(kind)):
        points, triangles = mne.read_surface(path)
        mne.write_surface(path, points * factors, triangles, overwrite=True)


def stretch_places(
    places_m: dict[str, Places], subject: Subject, factors: tuple[float, float, float]
) -> dict[str, Places]:
    """Return where electrodes lie on the stretched head, in its head coordinates."""
    onto_mri = head_to_mri(subject)
    back = mne.transforms.invert_transform(onto_mri)

    def moved(at: Places) -> NDArray[np.float64]:
        stretched = mne.transforms.apply_trans(onto_mri, at) * factors
        return np.asarray(mne.transforms.apply_trans(back, stretched))

    return {name: moved(at) for name, at in places_m.items()}


def head_to_mri(subject: Subject) -> mne.Transform:
    """Return the transform from head to MRI coordinates."""
    carried = Path(mne.__file__).parent / "data" / "fsaverage" / "fsaverage-trans.fif"
    read = mne.read_trans(carried if subject.trans == "fsaverage" else subject.trans)
    from_head = read["from"] == FIFF.FIFFV_COORD_HEAD
    return read if from_head else mne.transforms.invert_transform(read)
