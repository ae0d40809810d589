"""Electrodes that a stream places by coordinates."""

import mne
import numpy as np
import pylsl
import pytest
from convdip import load_bundle
from convdip.live.cap_places import electrode_places
from convdip.live.montage import stream_montage
from convdip.live.spline import sphere_centre
from convdip.streams import read_eeg
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

HEAD = load_bundle().head


def described(labels, places=None, kind="EEG"):
    """Describe a stream whose electrodes have places, as another program would."""
    info = pylsl.StreamInfo("Amp", "EEG", len(labels), 250.0, "float32", "amp-1")
    channels = info.desc().append_child("channels")
    for i, label in enumerate(labels):
        channel = channels.append_child("channel")
        for key, value in (("label", label), ("unit", "uV"), ("type", kind)):
            channel.append_child_value(key, value)
        if places is not None:
            location = channel.append_child("location")
            for axis, value in zip("XYZ", places[i], strict=True):
                location.append_child_value(axis, f"{value:.6g}")
    return read_eeg(info)


def turned(places_m, seed, unit):
    """Return places in a frame and a unit of one's own, on a smaller or larger head."""
    rng = np.random.default_rng(seed)
    moved = Rotation.random(rng=rng).apply(places_m) * rng.uniform(0.85, 1.15)
    return (moved + rng.uniform(-0.05, 0.05, 3)) * unit


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e2, 1e3]), st.integers(4, 20))
def test_places_are_aligned_by_the_names_that_are_known(seed, unit, n_known):
    known = np.random.default_rng(seed).choice(HEAD.channels, n_known, replace=False)
    labels = [name if name in known else f"Ch{i}" for i, name in enumerate(HEAD.channels)]
    stream = described(labels, turned(HEAD.electrodes_m, seed, unit))
    montage = stream_montage(stream, HEAD)
    assert montage.names == tuple(labels)
    assert montage.missing == tuple(name for name in HEAD.channels if name not in known)
    np.testing.assert_allclose(montage.places_m, HEAD.electrodes_m, atol=1e-3)


def test_known_names_keep_their_places(shipped):
    """What a stream states of them may be rough, and the model was trained on the head's."""
    head = shipped.head
    rough = head.electrodes_m + np.random.default_rng(0).normal(0, 5e-3, (31, 3))
    montage = stream_montage(described(head.channels, rough * 1e3), head)
    np.testing.assert_array_equal(montage.places_m, head.electrodes_m)


def ignored(stream, head, caplog):
    """Return what was said, when only the electrodes of known names were taken."""
    labels = [*head.channels[:14], *stream.labels[14:]]
    montage = stream_montage(stream, head)
    assert montage.names == tuple(labels[:14])
    return [r.getMessage() for r in caplog.records]


def test_places_that_contradict_the_names_are_ignored_and_said(shipped, caplog):
    head = shipped.head
    labels = [*head.channels[:14], *(f"Ch{i}" for i in range(17))]
    wrong = np.random.default_rng(0).permutation(head.electrodes_m)
    [said] = ignored(described(labels, wrong * 1e3), head, caplog)
    assert "ignored: those of 14 known names lie" in said


def test_places_of_no_heads_size_are_ignored_and_said(shipped, caplog):
    head = shipped.head
    labels = [*head.channels[:14], *(f"Ch{i}" for i in range(17))]
    [said] = ignored(described(labels, head.electrodes_m * 20), head, caplog)
    assert "not a head's size" in said
    nowhere = described(labels, np.zeros((31, 3)))
    assert nowhere.places_m == (None,) * 31


def numbered(n=31):
    return [f"Ch{i}" for i in range(1, n + 1)]


def test_without_names_places_are_laid_on_the_head_by_xdfs_axes(shipped):
    head = shipped.head
    montage = stream_montage(described(numbered(), head.electrodes_m * 1.1e3), head)
    assert montage.names == tuple(numbered())
    centre = sphere_centre(head.electrodes_m)
    found, expected = (
        (places - centre) / np.linalg.norm(places - centre, axis=1, keepdims=True)
        for places in (montage.places_m, head.electrodes_m)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("axes", [[1, 0, 2], [0, 2, 1], [2, 0, 1]])
def test_without_names_other_axes_are_found_and_refused(shipped, axes):
    places = shipped.head.electrodes_m[:, axes] * 1e3
    with pytest.raises(Exception, match="0 electrodes of known places"):
        stream_montage(described(numbered(), places), shipped.head)


def test_without_names_and_types_places_alone_make_no_electrode(shipped):
    """An eye electrode has a place, too."""
    head = shipped.head
    labels = [*head.channels[:20], *numbered(11)]
    montage = stream_montage(described(labels, head.electrodes_m * 1e3, kind=""), head)
    assert montage.names == head.channels[:20]


def test_digitised_places_of_a_recording_lie_where_their_names_say(shipped, recording):
    """BrainAmp with CapTrak: half of the names hidden."""
    raw = mne.io.read_raw(recording("eeg/brainamp67_dig/bv_dig_test.vhdr"), verbose="error")
    pytest.importorskip("defusedxml.ElementTree")  # MNE 1.13 needs it, and does not import it
    captrak = recording("eeg/brainamp67_dig/captrak_coords.bvct")
    digitised = mne.channels.read_dig_captrak(captrak).get_positions()["ch_pos"]
    standard = electrode_places(shipped.head)
    names = [name for name in raw.ch_names if name in digitised and name in standard]
    labels = [name if i % 2 else f"Ch{i}" for i, name in enumerate(names)]
    stream = described(labels, np.array([digitised[name] for name in names]) * 1e3)
    montage = stream_montage(stream, shipped.head)
    assert montage.names == tuple(labels)
    gaps_mm = [
        np.linalg.norm(place - standard[name]) * 1e3
        for name, place in zip(names, montage.places_m, strict=True)
    ]
    assert np.median(gaps_mm[::2]) < 15
