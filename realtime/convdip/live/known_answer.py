"""A bundle's known answers: sources are planted in its head, and its network has to find them.

Checksums say that the files are those of the card, and nothing of what the network does. So before
it images anybody, it images single small patches all over the cortex, without noise, each in a
sample of its own. What any inverse must then do: give numbers, another map for another source, the
same map alone as among others, and a source that is stronger than most of the cortex.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convdip.bundle import Bundle
from convdip.errors import BundleError
from convdip.head import Head
from convdip.live.cap_places import off_names_m
from convdip.live.gains import N_DIRECTIONS, spread_out
from convdip.live.network import Network
from convdip.live.patience import never, within
from convdip.live.products import product
from convdip.patches import mesh_adjacency, neighbourhoods

Float = NDArray[np.float32]

# Sources at most: as many as one run of the network takes when many samples wait.
N_SOURCES = 64
# Root mean square of their EEG: that of clean EEG.
LEVEL_V = 5e-6
# Mean share of the cortex that is weaker than the planted source. The shipped models have 0.988 and
# more, and 0.39 to 0.66 where rows or columns of the lead field are shuffled or the hemispheres
# exchanged; chance is 0.5, and has a standard deviation of 0.07 for sixteen sources.
LEAST_RANK = 0.8
# Share of the planted sources whose sign is right, where a model holds for both; the shipped ones
# have 1.00, and 0.00 of an inverted lead field.
LEAST_SIGNS = 0.75
# Largest difference between maps alone and among others, as a share of their maximum: on the
# shipped models 1e-5 at most; int8 may round another way.
SAME_MAP = {"fp32": 1e-3, "int8": 1e-2}
# Of a map, in whatever unit: what its scale is reckoned from must not leave the range of float32.
LEAST_VALUE, MOST_VALUE = 1e-16, 1e12
# Maps of different sources that differ by less than this share of their maximum are the same.
ANOTHER_MAP = 1e-3
# Correlation of what an electrode measures of the cortex with what it would in one large conductor,
# by the places of both and the way the cortex faces; of the shipped heads 0.76 and more, and below
# zero where an electrode is taken for the one across the head.
LEAST_LIKENESS = 0.5
# Of dipoles, one in so many says it all.
EVERY = 4
# Electrodes lie off the places of their names by that much at most, root mean square; on shipped
# heads 0.05 mm, on digitised ones 5 to 10. Of two that were exchanged across the head: 20 and more.
MOST_OFF_M = 0.018
TINY = 1e-30
# What a model may take for all of it; the shipped ones take a twentieth of a second.
LIMIT_S = 20.0


def check_answers(bundle: Bundle, network: Network, stop: Callable[[], bool] = never) -> None:
    """Refuse a bundle whose network does not find what is planted in its head.

    Parameters
    ----------
    bundle : Bundle
    network : Network
        Of the bundle, in either precision.
    stop : callable
        Asked meanwhile; if true, the check is given up.

    Raises
    ------
    BundleError
        If an answer is wrong; it says which, what was expected and what was found.
    GivenUpError
        If it was stopped.
    """

    def check() -> None:
        with network.breakable():
            _check(bundle, network)

    try:
        within(LIMIT_S, check, network.end, stop)
    except TimeoutError as error:
        raise BundleError(
            f"the model {bundle.name} gives no answer to planted sources: {error}"
        ) from None


def _check(bundle: Bundle, network: Network) -> None:
    head = bundle.head
    check_electrodes(head)
    sources, eeg = planted(head, min(N_SOURCES, network.batch))
    inputs = product(eeg, network.of_own)
    maps = network(inputs)

    def refuse(expected: str, found: str) -> None:
        raise BundleError(
            f"the model {bundle.name} gives a wrong answer to sources planted in its head: "
            f"expected {expected}, got {found}; export it anew, with the head it was trained for"
        )

    if not np.isfinite(maps).all():
        share = np.mean(~np.isfinite(maps))
        refuse("numbers", f"NaN or infinity for {share:.0%} of the dipoles")
    most = np.abs(maps).max(axis=1)
    if not most.all():
        refuse("activity somewhere", f"a map of zeros for {np.mean(most == 0):.0%} of the sources")
    if most.min() < LEAST_VALUE or most.max() > MOST_VALUE:
        refuse(
            f"maps whose largest values are {LEAST_VALUE:g} to {MOST_VALUE:g}",
            f"{most.min():g} to {most.max():g}",
        )
    if (np.ptp(maps, axis=1) <= ANOTHER_MAP * most).any():
        refuse("maps with a maximum", "the same value at all dipoles")
    shapes = maps / most[:, None]
    if np.ptp(shapes, axis=0).max() <= ANOTHER_MAP:
        refuse("another map for another source", "the same map for all")
    for n in (1, 3):
        apart = np.abs(network(inputs[:n]) / most[:n, None] - shapes[:n]).max()
        if not apart <= SAME_MAP[network.precision]:
            refuse(
                f"the same map of a sample whether {n} or {len(maps)} are imaged at once",
                f"maps that differ by {apart:.2g} of their maximum",
            )
    rank = ranks(head, sources, maps).mean()
    if rank < LEAST_RANK:
        refuse(
            f"them to be stronger than {LEAST_RANK:.0%} of the cortex (by chance 50%)",
            f"{rank:.0%} over {len(sources)} sources",
        )
    own = maps[np.arange(len(sources)), sources]
    if bundle.polarity == "both" and np.mean(own > 0) < LEAST_SIGNS:
        refuse(
            f"the right sign in {LEAST_SIGNS:.0%} of them or more",
            f"{np.mean(own > 0):.0%} over {len(sources)} sources",
        )
    if network.cortex is not None:
        _check_window(head, network, sources[0], inputs[0], refuse)


def _check_window(
    head: Head,
    network: Network,
    source: int,
    whitened: Float,
    refuse: Callable[[str, str], None],
) -> None:
    """Refuse a network that does not find in a window what it finds in a sample."""
    factor = np.zeros((N_DIRECTIONS, N_DIRECTIONS), np.float32)
    factor[:, 0] = whitened
    amplitude, probability = network.window(factor, 1.0)
    for what, values in (("amplitudes", amplitude), ("probabilities", probability)):
        if values.shape != (head.n_dipoles,) or not np.isfinite(values).all():
            refuse(f"{what} of a window", f"the shape {values.shape}, or no numbers")
    rank = ranks(head, np.array([source]), amplitude[None])[0]
    if rank < LEAST_RANK:
        refuse(f"a source stronger than {LEAST_RANK:.0%} of the cortex in a window", f"{rank:.0%}")


def planted(head: Head, n: int) -> tuple[NDArray[np.intp], Float]:
    """Return sources all over the cortex, and the EEG of each alone.

    Parameters
    ----------
    head : Head
    n : int

    Returns
    -------
    sources : ndarray of int, shape (n_sources,)
        The middle of each; fewer than ``n`` on a cortex of fewer dipoles.
    eeg : ndarray of float32, shape (n_sources, n_electrodes)
        Volts, average-referenced: of a patch that points out of the cortex, the dipole and those
        next to it.
    """
    cortex = np.flatnonzero(head.is_cortex)
    points = head.dipoles_m[cortex].astype(float)
    sources = cortex[spread_out(points, min(n, len(cortex)))]
    [near] = neighbourhoods(mesh_adjacency(head.triangles, head.n_dipoles), [1])
    eeg = np.asarray(near[sources] @ head.lead_field.T)
    eeg -= eeg.mean(axis=1, keepdims=True)
    levels = np.sqrt(np.mean(eeg**2, axis=1, keepdims=True))
    if not (levels > 0).all():
        raise BundleError("head model: the lead field shows nothing of some of its dipoles")
    return sources, (eeg / levels * LEVEL_V).astype(np.float32)


def ranks(head: Head, sources: NDArray[np.intp], maps: Float) -> NDArray[np.float64]:
    """Return the share of the cortex that is weaker than each source in its map.

    Parameters
    ----------
    head : Head
    sources : ndarray of int, shape (n_sources,)
    maps : ndarray, shape (n_sources, n_dipoles)

    Returns
    -------
    ranks : ndarray, shape (n_sources,)
        Half of what is just as strong counts: one value everywhere has 0.5.
    """
    strengths = np.abs(maps)
    own = strengths[np.arange(len(sources)), sources][:, None]
    strengths = strengths[:, head.is_cortex]
    weaker, as_strong = np.mean(strengths < own, axis=1), np.mean(strengths == own, axis=1)
    return np.asarray(weaker + as_strong / 2)


def check_electrodes(head: Head) -> None:
    """Refuse a head whose electrodes do not lie where their names and its lead field say.

    Raises
    ------
    BundleError
        If they do not.
    """
    own, free = head.lead_field[:, ::EVERY].astype(float), _free_field(head)
    own, free = (field - field.mean(axis=1, keepdims=True) for field in (own, free))
    lengths = np.sqrt(np.vecdot(own, own) * np.vecdot(free, free))
    likeness = np.vecdot(own, free) / np.maximum(lengths, TINY)
    worst = int(likeness.argmin())
    if not likeness[worst] >= LEAST_LIKENESS:
        raise BundleError(
            f"head model: the lead field of {head.channels[worst]} is not that of its place: "
            f"expected a correlation of {LEAST_LIKENESS:g} or more with a homogeneous conductor's, "
            f"got {likeness[worst]:.2f}; are electrodes or dipoles in another order, or the "
            "normals reversed?"
        )
    off_m = off_names_m(head)
    if off_m > MOST_OFF_M:
        raise BundleError(
            f"head model: electrodes lie {off_m * 1e3:.0f} mm off the places of their names: "
            f"expected {MOST_OFF_M * 1e3:g} mm at most; are the names in another order?"
        )


def _free_field(head: Head) -> NDArray[np.float64]:
    """Return the lead field of one large conductor, in any unit, shape (n_electrodes, n_few)."""
    dipoles_m, normals = head.dipoles_m[::EVERY].astype(float), head.normals[::EVERY].astype(float)
    offsets_m = head.electrodes_m[:, None].astype(float) - dipoles_m
    squares = np.maximum(np.vecdot(offsets_m, offsets_m), TINY)
    field = np.vecdot(offsets_m, normals) / squares**1.5
    return np.asarray(field - field.mean(axis=0))
