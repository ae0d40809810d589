"""Image a recording, or a simulated session, without LSL.

python examples/offline.py recording.edf   # needs MNE: scripts/install replay
python examples/offline.py                 # 20 s with known sources
"""

import sys

import convdip
import numpy as np
from convdip.sources.signs import signs_for
from convdip.sources.simulator import simulate_session

bundle = convdip.load_bundle()
head = bundle.head


def read(path: str) -> tuple[list[str], np.ndarray, float]:
    """Return labels, EEG in volts of shape (n_times, n_channels), and the sampling rate."""
    import mne

    raw = mne.io.read_raw(path, preload=True, verbose="error").pick("eeg")
    raw.filter(0.5, 40.0, verbose="error")  # before imaging: the network is not linear
    return raw.ch_names, raw.get_data().T, raw.info["sfreq"]


def simulate() -> tuple[tuple[str, ...], np.ndarray, float]:
    """Return the same of a simulated session, whose first source comes after two seconds."""
    signs = signs_for(bundle.polarity)
    session = simulate_session(head, seconds=20.0, sfreq_hz=250.0, seed=1, signs=signs)
    return head.channels, session.eeg_uv * 1e-6, session.sfreq_hz


def main() -> None:
    """Print the strongest region of each second."""
    labels, eeg_v, sfreq_hz = read(sys.argv[1]) if len(sys.argv) > 1 else simulate()
    imager = convdip.Imager(labels, unit="volts", model=bundle)
    if imager.montage.missing:
        print("interpolated:", ", ".join(imager.montage.missing))
    step = round(sfreq_hz)
    for second, first in enumerate(range(0, len(eeg_v), step)):
        # A second at a time: 20 kB a sample, 18 GB an hour at 250 Hz.
        eeg = eeg_v[first : first + step]
        frame = imager(eeg)
        peak = int(eeg.std(axis=1).argmax())  # where the field is strongest
        moments_nam = frame.moments_nam[peak]
        strongest = int(head.strongest(moments_nam))
        region = head.atlas_names[head.atlas[strongest]]
        print(f"{second:4d} s   {region:30} {moments_nam[strongest]:6.1f} nAm")


if __name__ == "__main__":
    main()
