"""A person under the cap: a DC-coupled amplifier, and an electrode that fails and comes back."""

import time

import numpy as np
import pylsl
import pytest
from convdip import Frame, Imager, Service
from convdip.errors import ConfigError, MontageError
from convdip.sources.player import eeg_outlet
from convdip.sources.simulator import simulate_session
from convdip.streams import EventMessage, read_quality, stream_name

SFREQ_HZ = 125.0
DEAD, FROM_S, TO_S = "T7", 4.0, 7.0


@pytest.fixture(scope="module")
def sent_uv(shipped):
    """EEG of 12 s with offsets of 50 mV, drift and mains; T7 is dead for 3 s."""
    session = simulate_session(shipped.head, 10, SFREQ_HZ, 5)
    eeg_uv = session.eeg_uv.astype(float)
    rng, time_s = np.random.default_rng(0), np.arange(len(eeg_uv))[:, None] / SFREQ_HZ
    eeg_uv += rng.uniform(-5e4, 5e4, 31) + rng.uniform(-10, 10, 31) * time_s
    eeg_uv += np.sin(2 * np.pi * 50 * time_s) * rng.uniform(0, 20, 31)
    dead = shipped.head.channels.index(DEAD)
    eeg_uv[round(FROM_S * SFREQ_HZ) : round(TO_S * SFREQ_HZ), dead] = 187_500
    return eeg_uv


def wait_for(frames, n_samples):
    """Wait until frames of so many samples came."""
    deadline = time.monotonic() + 60
    while sum(len(frame.timestamps) for frame in frames) < n_samples:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_any_bad(report):
    return read_quality(report.tolist())["bad_channels"] > 0


def test_a_dead_electrode_is_left_out_said_and_given_back(shipped, unique, sent_uv, doubles_outlet):
    outlet = doubles_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
    frames: list[Frame] = []
    reports: list[np.ndarray] = []
    events: list[EventMessage] = []
    with Service(
        unique, unique, on_frame=frames.append, provider="cpu", precision="fp32", wait_s=60
    ) as service:
        assert outlet.wait_for_consumers(60)
        inlets = {
            which: pylsl.StreamInlet(
                pylsl.resolve_byprop("name", stream_name(unique, which), timeout=60)[0]
            )
            for which in ("Events", "Quality")
        }
        for inlet in inlets.values():
            inlet.open_stream(timeout=60)

        def listen():
            while (text := inlets["Events"].pull_sample(timeout=0.0)[0]) is not None:
                events.append(EventMessage.from_json(text[0]))
            reports.extend(inlets["Quality"].pull_chunk(timeout=0.0, as_numpy=True)[0])

        begin = pylsl.local_clock()
        stamps = begin + np.arange(len(sent_uv)) / SFREQ_HZ
        for first in range(0, len(sent_uv), 5):
            rows = slice(first, first + 5)
            time.sleep(max(0.0, stamps[rows][-1] - pylsl.local_clock()))
            outlet.push_chunk(np.ascontiguousarray(sent_uv[rows]), stamps[rows].tolist())
            listen()
        wait_for(frames, len(sent_uv))
        deadline = time.monotonic() + 60
        while "good" not in [e.event for e in events] or is_any_bad(reports[-1]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
            listen()
    assert service.summary.interpolated == ()

    # What a busy computer makes of it is something else.
    others = ("overload", "caught up", "clock")
    told = [
        (e.event, e.facts.get("electrode", ""))
        for e in events
        if not e.facts.get("repeated") and e.event not in others
    ]
    assert told[:3] == [("notch", ""), ("bad", DEAD), ("good", DEAD)]
    assert set(told[3:]) <= {("stop", "")}
    [bad] = [e for e in events if e.event == "bad" and not e.facts.get("repeated")]
    assert bad.facts["reason"] == "amplitude"
    assert bad.text == f"{DEAD} is bad (amplitude): left out"

    # What is imaged is what the offline imager makes of the same samples ...
    moments_nam = np.concatenate([frame.moments_nam for frame in frames])
    expected = Imager(
        shipped.head.channels, "uV", sfreq_hz=SFREQ_HZ, model=shipped, provider="cpu"
    )(sent_uv)
    np.testing.assert_allclose(
        moments_nam, expected.moments_nam, atol=1e-4 * np.abs(expected.moments_nam).max()
    )
    # ... and no sample of it shows the rail.
    assert np.isfinite(moments_nam).all()
    assert np.abs(moments_nam).max() < 200
    during = [DEAD in frame.flags.bad for frame in frames for _ in range(len(frame.timestamps))]
    first, last = round(FROM_S * SFREQ_HZ), round(TO_S * SFREQ_HZ)
    assert not any(during[: first - 5])
    assert all(during[first + 5 : last])

    quality = [read_quality(row.tolist()) for row in reports]
    assert {report["valid"] for report in quality} == {1.0}
    assert {report["bad_channels"] for report in quality} == {0.0, 1.0}
    assert quality[-1]["bad_channels"] == 0
    assert quality[-1]["filter_delay"] == pytest.approx(
        service._frames.imager.preparation.conditioner.delay_s * 1e3, abs=1e-4
    )


def test_over_a_gap_offsets_may_change_without_harm(shipped, unique, doubles_outlet):
    """The amplifier was paused and its offsets drifted: filters begin anew."""
    session = simulate_session(shipped.head, 2, SFREQ_HZ, 5)
    n = len(session.eeg_uv) // 2
    offsets_uv = np.random.default_rng(1).uniform(-5e4, 5e4, 31)
    halves = [session.eeg_uv[:n].astype(float), session.eeg_uv[n:] + offsets_uv]
    outlet = doubles_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
    frames: list[Frame] = []
    with Service(unique, unique, on_frame=frames.append, provider="cpu", wait_s=60):
        assert outlet.wait_for_consumers(60)
        stamps = pylsl.local_clock() - 4 + np.arange(2 * n) / SFREQ_HZ
        stamps[n:] += 2.0
        sent = 0
        for half in halves:
            for rows in np.array_split(half, len(half) // 20):
                chunk = np.ascontiguousarray(rows)
                outlet.push_chunk(chunk, stamps[sent : sent + len(rows)].tolist())
                sent += len(rows)
                time.sleep(0.01)
        wait_for(frames, sent)
    assert not any(frame.flags.bad or frame.flags.invalid != "valid" for frame in frames)
    how = {"sfreq_hz": SFREQ_HZ, "model": shipped, "provider": "cpu"}
    expected = [Imager(shipped.head.channels, "uV", **how)(half).moments_nam for half in halves]
    moments_nam = np.concatenate([frame.moments_nam for frame in frames])
    np.testing.assert_allclose(
        moments_nam, np.concatenate(expected), atol=1e-4 * np.abs(expected).max()
    )


def test_half_a_cap_gives_no_estimates_and_says_why(shipped, unique):
    head = shipped.head
    left = [n for n, x in zip(head.channels, head.electrodes_m[:, 0], strict=True) if x < 0.01]
    outlet = eeg_outlet(unique, left, SFREQ_HZ, f"id-{unique}")
    frames: list[Frame] = []
    with Service(unique, unique, on_frame=frames.append, provider="cpu", wait_s=60) as service:
        assert outlet.wait_for_consumers(60)
        eeg_uv = 10 * np.random.default_rng(0).standard_normal((50, len(left)))
        now_s = pylsl.local_clock()
        outlet.push_chunk(eeg_uv.astype(np.float32), (now_s + np.arange(50) / SFREQ_HZ).tolist())
        wait_for(frames, 1)
        assert service.health.report(pylsl.local_clock())["valid"] == 0
    assert all(frame.flags.invalid == "too few electrodes" for frame in frames)
    assert all(np.isnan(frame.moments_nam).all() for frame in frames)


def test_names_that_the_stream_does_not_have_are_refused(shipped, unique):
    outlet = eeg_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
    with (
        pytest.raises(MontageError, match="`bad` names C33: expected electrodes of the stream"),
        Service(unique, unique, bad="C3, C33", provider="cpu", wait_s=60),
    ):
        pass
    del outlet


def test_a_band_without_a_filter_is_refused():
    with pytest.raises(ConfigError, match="`band` beside `filter=False`"):
        Service("Amp", band=(8.0, 12.0), filter=False)
    with pytest.raises(ConfigError, match="the lower one first"):
        Service("Amp", band=(12.0, 8.0))
