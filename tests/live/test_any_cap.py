"""One network for every cap: electrodes come and go, and two caps are imaged from one bundle."""

import time

import numpy as np
import pylsl
import pytest
from convdip import Frame, Imager, Service
from convdip.live.cap_places import electrode_places
from convdip.live.topography import repair_matrix
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg
from convdip.streams import EventMessage, stream_name

SFREQ_HZ = 125.0
CLINICAL = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
)  # fmt: skip
# Found is what lies no farther than that from where it was put; chance is 78 mm.
NEAR_MM = 25.0


@pytest.fixture
def imager(any_cap, any_cap_network):
    def make(labels, unit="uV", **how):
        return Imager(labels, unit, model=any_cap, network=any_cap_network, **how)

    return make


def electrodes(head, n):
    """Return so many electrodes of the 10-05 system, spread over the upper head."""
    scalp = head.scalp
    upper = np.flatnonzero(scalp.places_m[:, 2] > np.quantile(scalp.places_m[:, 2], 0.2))
    return [scalp.names[i] for i in upper[:: len(upper) // n][:n]]


def patch_eeg(head, labels, seeds, order=3, peak_uv=20):
    """Return the EEG of a patch at each seed, in µV, without noise."""
    rows = [head.scalp.names.index(label) for label in labels]
    patches = patch_dictionary(head.triangles, head.dipoles_m, order)[seeds]
    eeg = patches @ head.scalp.lead_field[rows].T
    eeg = eeg - eeg.mean(axis=1, keepdims=True)
    return (peak_uv * eeg / np.abs(eeg).max(axis=1, keepdims=True)).astype(np.float32)


def errors_mm(head, moments, seeds):
    gaps_m = head.dipoles_m[head.strongest(moments)] - head.dipoles_m[seeds]
    return np.linalg.norm(gaps_m, axis=1) * 1e3


def some_seeds(head, n, seed=0):
    return np.random.default_rng(seed).choice(np.flatnonzero(head.is_cortex), n, replace=False)


@pytest.mark.parametrize(("n", "most_mm"), [(19, 16), (31, 12), (64, 11), (128, 11)])
def test_patches_are_found_with_any_number_of_electrodes(any_cap, imager, n, most_mm):
    head = any_cap.head
    labels = {19: CLINICAL, 31: head.channels}.get(n) or electrodes(head, n)
    seeds = some_seeds(head, 200)
    eeg_uv = patch_eeg(head, labels, seeds)
    noise = np.random.default_rng(1).standard_normal(eeg_uv.shape)
    frame = imager(labels)((eeg_uv + noise).astype(np.float32))
    assert np.median(errors_mm(head, frame.moments_nam, seeds)) < most_mm
    assert np.median(frame.goodness_of_fit) > 0.8
    assert not frame.moments_nam[:, ~head.is_cortex].any()


def test_the_other_polarity_is_exactly_the_negative(any_cap, imager):
    eeg_uv = np.random.default_rng(2).standard_normal((20, 31)).astype(np.float32) * 20
    image = imager(any_cap.head.channels)
    np.testing.assert_array_equal(image(-eeg_uv).moments_nam, -image(eeg_uv).moments_nam)


def test_order_reference_and_unit_of_the_stream_change_nothing(any_cap, imager):
    labels = electrodes(any_cap.head, 40)
    rng = np.random.default_rng(3)
    eeg_uv = patch_eeg(any_cap.head, labels, some_seeds(any_cap.head, 5))
    expected = imager(labels)(eeg_uv).moments_nam
    order = rng.permutation(40)
    other = imager([labels[i] for i in order], "mV")
    found = other(((eeg_uv - eeg_uv[:, [7]]) * 1e-3)[:, order]).moments_nam
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_nothing_is_interpolated(any_cap, imager):
    image = imager(CLINICAL, sfreq_hz=SFREQ_HZ, bad=("C3", "Pz"))
    operator = image.preparation.operator
    assert operator.interpolated == ()
    assert operator.left_out == operator.lacking == ("C3", "Pz")
    rows = np.isin(CLINICAL, ("C3", "Pz"))
    assert not operator.matrix[rows].any()
    assert operator.given["rank"] == 16


@pytest.mark.parametrize("n_out", [1, 2, 3])
def test_leaving_out_costs_less_than_interpolating(any_cap, imager, n_out):
    """The same network on the same EEG: electrodes left out, or filled from the others."""
    head, labels = any_cap.head, any_cap.head.channels
    rng = np.random.default_rng(n_out)
    seeds = some_seeds(head, 300, 4)
    eeg_uv = patch_eeg(head, labels, seeds) + rng.standard_normal((300, 31)).astype(np.float32)
    places = electrode_places(head)
    out = rng.choice(31, n_out, replace=False)
    at_m = np.array([places[name] for name in labels])
    filled = (eeg_uv @ repair_matrix(at_m, out.tolist()).T).astype(np.float32)
    fewer = [name for i, name in enumerate(labels) if i not in out]
    left = imager(fewer)(np.delete(eeg_uv, out, axis=1)).moments_nam
    interpolated = imager(labels)(filled).moments_nam
    assert errors_mm(head, left, seeds).mean() < errors_mm(head, interpolated, seeds).mean()


def test_electrodes_are_pulled_and_put_back_and_the_source_is_found_throughout(
    any_cap, imager, unique, doubles_outlet
):
    """Three fail one after another, at a rail, and come back one after another."""
    head, labels = any_cap.head, any_cap.head.channels
    [seed] = np.flatnonzero(head.is_cortex)[[1500]]
    seconds, rng = 16, np.random.default_rng(5)
    time_s = np.arange(round(seconds * SFREQ_HZ)) / SFREQ_HZ
    course = np.sin(2 * np.pi * 9 * time_s)[:, None]
    background_uv = 3 * background_eeg(head, len(time_s), SFREQ_HZ, rng)
    eeg_uv = (course * patch_eeg(head, labels, [seed]) + background_uv).astype(float)
    pulled = {"C4": (3, 10), "Cz": (4, 11), "FC2": (5, 12)}
    for name, (from_s, to_s) in pulled.items():
        rows = slice(round(from_s * SFREQ_HZ), round(to_s * SFREQ_HZ))
        eeg_uv[rows, labels.index(name)] = 187_500
    outlet = doubles_outlet(unique, labels, SFREQ_HZ, f"id-{unique}")
    frames: list[Frame] = []
    events: list[EventMessage] = []
    with Service(
        unique,
        unique,
        on_frame=frames.append,
        model=str(any_cap.path),
        provider="cpu",
        wait_s=60,
    ) as service:
        assert outlet.wait_for_consumers(60)
        [info] = pylsl.resolve_byprop("name", stream_name(unique, "Events"), timeout=60)
        inlet = pylsl.StreamInlet(info)
        inlet.open_stream(timeout=60)
        stamps = pylsl.local_clock() + time_s
        for first in range(0, len(eeg_uv), 5):
            rows = slice(first, first + 5)
            time.sleep(max(0.0, stamps[rows][-1] - pylsl.local_clock()))
            outlet.push_chunk(np.ascontiguousarray(eeg_uv[rows]), stamps[rows].tolist())
        deadline = time.monotonic() + 60
        while sum(len(frame.timestamps) for frame in frames) < len(eeg_uv):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Of the last electrode it is said last that it is good again.
        while not any((e.event, e.facts.get("electrode")) == ("good", "FC2") for e in events):
            [text], _ = inlet.pull_sample(timeout=60)
            events.append(EventMessage.from_json(text))
        while (text := inlet.pull_sample(timeout=0.0)[0]) is not None:
            events.append(EventMessage.from_json(text[0]))
    assert service.summary.interpolated == ()
    told = [(e.event, e.facts["electrode"]) for e in events if e.event in ("bad", "good")]
    told = list(dict.fromkeys(told))
    assert told == [*(("bad", name) for name in pulled), *(("good", name) for name in pulled)]

    moments_nam = np.concatenate([frame.moments_nam for frame in frames])
    assert np.isfinite(moments_nam).all()
    # Where the source is strong, once the filter has settled.
    strong = (np.abs(course[:, 0]) > 0.9) & (time_s > 1)
    gaps_mm = errors_mm(head, moments_nam[strong], [seed])
    for from_s in range(1, seconds):
        within = (time_s[strong] >= from_s) & (time_s[strong] < from_s + 1)
        assert np.mean(gaps_mm[within] < NEAR_MM) > 0.8, from_s


def test_two_caps_at_once_from_one_bundle(any_cap, unique, doubles_outlet):
    """Sixty-four electrodes and nineteen, by two services: the same source in both."""
    head = any_cap.head
    [seed] = np.flatnonzero(head.is_cortex)[[3300]]
    caps = {f"{unique}L": electrodes(head, 64), f"{unique}S": list(CLINICAL)}
    time_s = np.arange(round(3 * SFREQ_HZ)) / SFREQ_HZ
    course = np.sin(2 * np.pi * 9 * time_s)[:, None]
    found: dict[str, list[Frame]] = {name: [] for name in caps}
    outlets = {
        name: doubles_outlet(name, labels, SFREQ_HZ, f"id-{name}") for name, labels in caps.items()
    }
    services = [
        Service(
            name,
            name,
            on_frame=found[name].append,
            model=str(any_cap.path),
            provider="cpu",
            wait_s=60,
        )
        for name in caps
    ]
    with services[0], services[1]:
        rng = np.random.default_rng(6)
        for name, outlet in outlets.items():
            assert outlet.wait_for_consumers(60)
            eeg_uv = course * patch_eeg(head, caps[name], [seed])
            eeg_uv += rng.standard_normal(eeg_uv.shape)
            stamps = pylsl.local_clock() - 3 + time_s
            for rows in np.array_split(np.arange(len(time_s)), 20):
                outlet.push_chunk(np.ascontiguousarray(eeg_uv[rows]), stamps[rows].tolist())
                time.sleep(0.05)
        deadline = time.monotonic() + 60
        while any(
            sum(len(f.timestamps) for f in frames) < len(time_s) for frames in found.values()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    strong = (np.abs(course[:, 0]) > 0.9) & (time_s > 1)
    for name, frames in found.items():
        moments_nam = np.concatenate([frame.moments_nam for frame in frames])[strong]
        assert np.median(errors_mm(head, moments_nam, [seed])) < NEAR_MM, name
