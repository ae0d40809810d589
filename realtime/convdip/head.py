"""The head model that a bundle carries (`head.npz`): geometry and lead field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convdip.arrays import MOST_BYTES, Expected, read_arrays
from convdip.errors import BundleError
from convdip.files import read_file

Float = NDArray[np.float32]

# What the Desikan-Killiany atlas calls the medial wall, where the surface closes without cortex.
NO_CORTEX = ("unknown", "corpuscallosum")
# No head is larger: positions beyond are in another unit.
MOST_M = 1.0
# No number of a head is larger, in its units: lead fields have thousands.
MOST = 1e9
# A name of an electrode or a region.
MOST_CHARACTERS = 100
# Lengths of unit vectors, and the two halves of a covariance, by rounding.
ROUNDING = 0.01

# What `head.npz` holds, and how.
_STORED = {
    "channels": Expected("text", 1),
    "electrodes_m": Expected("number", 2),
    "interpolation": Expected("number", 2),
    "lead_field": Expected("number", 2),
    "dipoles_m": Expected("number", 2),
    "normals": Expected("number", 2),
    "triangles": Expected("index", 2),
    "pial_m": Expected("number", 2),
    "inflated_m": Expected("number", 2),
    "sulcal_depth": Expected("number", 1),
    "atlas": Expected("index", 1),
    "atlas_names": Expected("text", 1),
    "n_left": Expected("index", 0),
}
_OF_SCALP = {
    "scalp_names": Expected("text", 1),
    "scalp_places_m": Expected("number", 2),
    "scalp_lead_field": Expected("number", 2),
    "scalp_noise": Expected("number", 2),
}


@dataclass(frozen=True)
class Scalp:
    """What an electrode anywhere on the scalp measures, of sources and of noise.

    Attributes
    ----------
    names : tuple of str, length n_places
        Of the 10-05 system.
    places_m : ndarray, shape (n_places, 3)
    lead_field : ndarray, shape (n_places, n_dipoles)
        V/(A·m), average-referenced, fixed orientation.
    noise : ndarray, shape (n_places, n_places)
        Covariance of EEG without the sources that are sought; its largest variance is 1.
    """

    names: tuple[str, ...]
    places_m: Float
    lead_field: Float
    noise: Float


@dataclass(frozen=True)
class Head:
    """Electrodes, cortical dipoles and the lead field between them.

    All positions are metres in the MRI (FreeSurfer) surface RAS frame. Dipoles of the left
    hemisphere come first.

    Attributes
    ----------
    channels : tuple of str, length n_electrodes
        Electrode labels (10-05 system), in the order of the network's input.
    electrodes_m : ndarray, shape (n_electrodes, 3)
    interpolation : ndarray, shape (77, n_electrodes)
        Electrode potentials → 7×11 image, row by row.
    lead_field : ndarray, shape (n_electrodes, n_dipoles)
        V/(A·m), average-referenced, fixed orientation.
    dipoles_m : ndarray, shape (n_dipoles, 3)
    normals : ndarray, shape (n_dipoles, 3)
        Unit vectors out of the cortex; a positive moment points along them.
    triangles : ndarray of int, shape (n_triangles, 3)
    pial_m, inflated_m : ndarray, shape (n_dipoles, 3)
        Where the dipoles lie on the pial and the inflated surface, for display.
    sulcal_depth : ndarray, shape (n_dipoles,)
        FreeSurfer's ``sulc``: positive in sulci.
    atlas : ndarray of int, shape (n_dipoles,)
        Index into ``atlas_names``.
    atlas_names : tuple of str
    n_left : int
        Number of dipoles of the left hemisphere.
    scalp : Scalp or None
        For networks that take the EEG of any cap.
    """

    channels: tuple[str, ...]
    electrodes_m: Float
    interpolation: Float
    lead_field: Float
    dipoles_m: Float
    normals: Float
    triangles: NDArray[np.int32]
    pial_m: Float
    inflated_m: Float
    sulcal_depth: Float
    atlas: NDArray[np.int32]
    atlas_names: tuple[str, ...]
    n_left: int
    scalp: Scalp | None = None

    @property
    def n_electrodes(self) -> int:
        """Number of electrodes of the model."""
        return len(self.channels)

    @property
    def n_dipoles(self) -> int:
        """Number of cortical dipoles."""
        return int(self.dipoles_m.shape[0])

    @cached_property
    def is_cortex(self) -> NDArray[np.bool_]:
        """Which dipoles lie on cortex, shape (n_dipoles,); those of the medial wall do not."""
        is_cortex: NDArray[np.bool_] = ~self.in_regions(NO_CORTEX)
        is_cortex.setflags(write=False)  # every caller gets the same array
        return is_cortex

    def in_regions(self, regions: Sequence[str]) -> NDArray[np.bool_]:
        """Return which dipoles lie in regions of the atlas, of either hemisphere.

        Parameters
        ----------
        regions : sequence of str
            Without hemisphere, such as ``precentral``.

        Returns
        -------
        is_in : ndarray of bool, shape (n_dipoles,)
        """
        names = [name.rsplit("-", 1)[0] for name in self.atlas_names]
        is_in: NDArray[np.bool_] = np.isin(names, regions)[self.atlas]
        return is_in

    def strongest(self, moments: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the cortical dipole with the largest moment in each map, whatever its sign.

        Parameters
        ----------
        moments : ndarray, shape (…, n_dipoles)
            In any unit.

        Returns
        -------
        dipoles : ndarray of int, shape (…)
        """
        dipoles: NDArray[np.intp] = np.where(self.is_cortex, np.abs(moments), 0).argmax(axis=-1)
        return dipoles

    @property
    def dipole_labels(self) -> list[str]:
        """One label a dipole: hemisphere and number in it, ``lh-000000`` …."""
        n_right = self.n_dipoles - self.n_left
        return [f"lh-{i:06d}" for i in range(self.n_left)] + [f"rh-{i:06d}" for i in range(n_right)]

    def __post_init__(self) -> None:
        n, p = self.n_electrodes, self.n_dipoles
        expected = {
            "electrodes_m": (n, 3),
            "interpolation": (77, n),
            "lead_field": (n, p),
            "dipoles_m": (p, 3),
            "normals": (p, 3),
            "pial_m": (p, 3),
            "inflated_m": (p, 3),
            "sulcal_depth": (p,),
            "atlas": (p,),
        }
        arrays = {name: getattr(self, name) for name in expected}
        _check_names("channels", self.channels)
        if self.scalp is not None:
            _check_names("scalp_names", self.scalp.names)
            n_places = len(self.scalp.names)
            of_scalp = {
                "places_m": (n_places, 3),
                "lead_field": (n_places, p),
                "noise": (n_places, n_places),
            }
            expected |= {f"scalp_{name}": shape for name, shape in of_scalp.items()}
            arrays |= {f"scalp_{name}": getattr(self.scalp, name) for name in of_scalp}
        for name, shape in expected.items():
            _check_array(name, arrays[name], shape)
        if not 0 < self.n_left < p:
            raise BundleError(f"head model: n_left is {self.n_left}, expected 1 to {p - 1}")
        lengths = np.linalg.norm(self.normals, axis=1)
        if np.abs(lengths - 1).max() > ROUNDING:
            raise BundleError(
                f"head model: normals have lengths of {lengths.min():g} to {lengths.max():g}, "
                "expected 1"
            )
        if self.scalp is not None:
            noise = self.scalp.noise
            if np.abs(noise - noise.T).max() > ROUNDING * np.abs(noise).max():
                raise BundleError("head model: scalp_noise is not symmetric")
            if noise.diagonal().min() < 0 or not noise.any():
                raise BundleError("head model: scalp_noise has no variances, expected a covariance")
        self._check_atlas()

    def _check_atlas(self) -> None:
        """Refuse triangles and regions that are not of these dipoles."""
        p, shape = self.n_dipoles, self.triangles.shape
        if len(shape) != 2 or shape[1] != 3 or not len(self.triangles):
            raise BundleError(f"head model: triangles has shape {shape}, expected (n, 3)")
        if self.triangles.min() < 0 or self.triangles.max() >= p:
            raise BundleError(f"head model: triangles point outside the {p} dipoles")
        _check_names("atlas_names", self.atlas_names)
        if self.atlas.min() < 0 or self.atlas.max() >= len(self.atlas_names):
            raise BundleError("head model: atlas points outside atlas_names")
        if not self.is_cortex.any():
            raise BundleError("head model: no dipole lies on cortex")

    def save(self, path: Path | BinaryIO) -> None:
        """Write ``head.npz`` (no pickles), to a path or an open file."""
        own = (field for field in fields(self) if field.name != "scalp")
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in own}
        if self.scalp is not None:
            for f in fields(self.scalp):
                arrays[f"scalp_{f.name}"] = np.asarray(getattr(self.scalp, f.name))
            # 335 places of 5,124 dipoles: half as large, and 0.02 % off.
            lead_field = arrays["scalp_lead_field"]
            arrays["scalp_lead_field"] = lead_field.astype(np.float16)
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path | BinaryIO) -> Head:
        """Read ``head.npz``, from a path or an open file.

        Raises
        ------
        BundleError
            If the file is no head model or its arrays do not fit together.
        """
        try:
            stored = read_file(path, MOST_BYTES) if isinstance(path, Path) else path.read()
            arrays: dict[str, Any] = dict(read_arrays(stored, {**_STORED, **_OF_SCALP}))
            for name in ("channels", "atlas_names", "scalp_names"):
                if name in arrays:
                    arrays[name] = tuple(str(one) for one in arrays[name])
        except FileNotFoundError:
            raise BundleError(f"no head model at {path}") from None
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise BundleError(f"{_named(path)} is not a head model: {error}") from None
        wanted = [*_STORED, *(_OF_SCALP if "scalp_names" in arrays else [])]
        lacking = [name for name in wanted if name not in arrays]
        if lacking:
            raise BundleError(
                f"the head model has no {', '.join(lacking)}: it is none, or of an older "
                "version; export the bundle anew"
            )
        for name, how in {**_STORED, **_OF_SCALP}.items():
            if name in arrays and how.kind != "text":
                arrays[name] = _converted(name, arrays[name], how)
        arrays["n_left"] = int(arrays["n_left"])
        of_scalp = {name: arrays.pop(name, None) for name in _OF_SCALP}
        if of_scalp["scalp_names"] is not None:
            arrays["scalp"] = Scalp(**{name[6:]: array for name, array in of_scalp.items()})
        return cls(**arrays)


def _named(path: Path | BinaryIO) -> str:
    return str(path) if isinstance(path, Path) else "head.npz"


def _converted(name: str, array: NDArray[Any], how: Expected) -> NDArray[Any]:
    """Return an array in the type that it is worked with."""
    if how.kind == "number":
        with np.errstate(over="ignore"):  # infinite, which is refused
            return np.ascontiguousarray(array, np.float32).reshape(array.shape)
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise BundleError(f"head model: {name} holds numbers beyond those of dipoles")
    return np.ascontiguousarray(array, np.int32).reshape(array.shape)


def _check_names(of: str, names: Sequence[str]) -> None:
    """Refuse names that are none, or that are there twice."""
    for name in names:
        if not (name.isprintable() and 0 < len(name) <= MOST_CHARACTERS):
            raise BundleError(
                f"head model: {of} has {name[:MOST_CHARACTERS]!r}, expected names that can be read"
            )
    if not names or len(set(names)) < len(names):
        raise BundleError(f"head model: {of} has {len(names)} names, {len(set(names))} different")


def _check_array(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape, or with numbers that are none."""
    if array.shape != shape:
        raise BundleError(f"head model: {name} has shape {array.shape}, expected {shape}")
    if not np.all(np.isfinite(array)):
        raise BundleError(f"head model: {name} holds values that are not finite")
    if array.size and np.abs(array).max() > MOST:
        raise BundleError(
            f"head model: {name} goes up to {np.abs(array).max():g}, expected {MOST:g} at most"
        )
    if name.endswith("_m") and array.size and np.abs(array).max() > MOST_M:
        raise BundleError(
            f"head model: {name} goes up to {np.abs(array).max():g} m, expected {MOST_M:g} at "
            "most; are these millimetres?"
        )
