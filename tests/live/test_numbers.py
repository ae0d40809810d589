"""What an amplifier sends, over LSL: counts, factors, numbered channels, reversed polarity."""

import time

import convdip
import numpy as np
import pylsl
import pytest
from convdip.display.feed import Feed
from convdip.errors import MontageError
from convdip.live.montage import stream_montage
from convdip.streams import read_eeg

SFREQ_HZ = 250.0


def described(labels, name="Amp", sample_format="int16", **said):
    """Describe a stream as an amplifier's program would."""
    info = pylsl.StreamInfo(name, "EEG", len(labels), SFREQ_HZ, sample_format, f"id-{name}")
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        for key, value in {"label": label, **said}.items():
            channel.append_child_value(key, value)
    return info


@pytest.mark.parametrize(
    ("sample_format", "said", "settings", "step_v"),
    [
        ("int16", {"unit": "microvolts", "scaling_factor": "0.1"}, {}, 1e-7),
        ("int32", {"unit": "V", "resolution": "1e-8"}, {"inverted": True}, -1e-8),
        # What a step of 1 is, whatever the stream says of it.
        ("int16", {"unit": "counts", "scale": "0.1"}, {"unit": "uV"}, 1e-6),
        ("int16", {"unit": "microvolts", "scale": "0.1"}, {"unit": "0.0244uV"}, 2.44e-8),
        ("int16", {}, {"unit": "0.0244 µV"}, 2.44e-8),
        # Such numbers have their factor already.
        ("float32", {"unit": "microvolts", "scaling_factor": "0.1"}, {}, 1e-6),
        ("double64", {"unit": "mV", "scaling_factor": "1"}, {}, 1e-3),
        ("float32", {"unit": "mV", "scaling_factor": "0.1"}, {"unit": "0.1mV"}, 1e-4),
    ],
)
def test_a_step_is_what_the_stream_and_the_user_say(
    shipped, caplog, sample_format, said, settings, step_v
):
    info = described(shipped.head.channels, sample_format=sample_format, **said)
    montage = stream_montage(read_eeg(info), shipped.head, **settings)
    np.testing.assert_allclose(montage.volts, step_v, rtol=1e-12)
    told = [r.getMessage() for r in caplog.records]
    factor = "0.1" in said.values()
    assert bool(told) == (factor and step_v != 1e-7)
    assert all(f"a scaling factor (0.1) and sends {sample_format}: " in text for text in told)


def test_counts_without_a_factor_are_refused(shipped):
    stream = read_eeg(described(shipped.head.channels, unit="counts"))
    with pytest.raises(MontageError, match=r"unit 'counts': .*`unit='0.0244uV'`"):
        stream_montage(stream, shipped.head)


class Amplifier:
    """Sends the model's electrodes as channels that are named by number."""

    def __init__(self, name, sample_format):
        labels = [str(i + 1) for i in range(33)]
        said = {"unit": "microvolts", "scaling_factor": "0.1"}
        self._outlet = pylsl.StreamOutlet(described(labels, name, sample_format, **said))
        self._dtype = {"int16": np.int16, "float32": np.float32}[sample_format]

    def send(self, numbers):
        """Send samples, between a counter and noise that are no EEG; return the last stamp."""
        n = len(numbers)
        counter, noise = np.arange(n), np.random.default_rng(9).normal(0, 1e4, n)
        samples = np.column_stack([counter, numbers, noise]).astype(self._dtype)
        stamps = pylsl.local_clock() + np.arange(n) / SFREQ_HZ
        self._outlet.push_chunk(np.ascontiguousarray(samples), stamps.tolist())
        return stamps[-1]


@pytest.mark.parametrize(
    ("sample_format", "settings", "step_uv"),
    [("int16", {"invert": True}, -0.1), ("float32", {"unit": "0.5uV"}, 0.5)],
)
def test_numbers_become_the_same_moments_and_the_same_eeg_on_the_display(
    unique, shipped, tmp_path, sample_format, settings, step_uv
):
    file = tmp_path / "cap.txt"
    file.write_text("\n".join(["-", *shipped.head.channels, "-"]), encoding="utf-8")
    amplifier = Amplifier(unique, sample_format)
    numbers = np.round(np.random.default_rng(0).normal(0, 300, (50, 31)))
    expected = convdip.Imager(shipped.head.channels, provider="cpu", precision="fp32")
    expected_nam = expected(numbers * step_uv).moments_nam
    frames: list[convdip.Frame] = []
    with convdip.Service(
        unique,
        unique,
        provider="cpu",
        precision="fp32",
        channels=str(file),
        filter=False,
        keep=True,
        on_frame=frames.append,
        **settings,
    ):
        feed, deadline = Feed(unique), time.monotonic() + 60
        while feed.service is None or feed.eeg_state:
            feed.poll(pylsl.local_clock())
            assert time.monotonic() < deadline
        # liblsl may lose the first samples of a connection.
        while not (len(feed.eeg.rows) and frames):
            last_s = amplifier.send(np.zeros((5, 31)))
            time.sleep(0.1)
            feed.poll(pylsl.local_clock())
            assert time.monotonic() < deadline
        almost_s = last_s - 0.5 / SFREQ_HZ
        while feed.eeg.stamps[-1] < almost_s or frames[-1].timestamps[-1] < almost_s:
            time.sleep(0.01)
            feed.poll(pylsl.local_clock())
            assert time.monotonic() < deadline
        n_before = len(feed.eeg.rows)
        frames.clear()
        amplifier.send(numbers)
        while len(feed.eeg.rows) < n_before + 50 or sum(len(f.timestamps) for f in frames) < 50:
            time.sleep(0.1)
            feed.poll(pylsl.local_clock())
            assert time.monotonic() < deadline
        provenance = feed.service.provenance
    found_nam = np.concatenate([frame.moments_nam for frame in frames])
    np.testing.assert_allclose(found_nam, expected_nam, atol=2e-4 * np.abs(expected_nam).max())
    eeg_uv = numbers * step_uv - (numbers * step_uv).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(feed.eeg.rows[n_before:], eeg_uv, atol=1e-3)
    assert provenance.input_channels == ", ".join(["-", *shipped.head.channels, "-"])
    assert provenance.input_unit == settings.get("unit")
    assert provenance.input_inverted == settings.get("invert", False)
