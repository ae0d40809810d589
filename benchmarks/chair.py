"""What filters, disturbances and missing electrodes cost, on simulated sources.

Usage: .venv/bin/python benchmarks/chair.py [--seconds N] [--seed N]
"""

import argparse

import numpy as np
from convdip import Imager, load_bundle
from convdip.live.coverage import ScalpField
from convdip.markdown import markdown_table
from convdip.sources.simulator import simulate_session
from scipy.signal import butter, sosfilt, sosfilt_zi
from tqdm import tqdm

SFREQ_HZ = 250.0
# Order and edge of the high-pass; none first.
HIGH_PASSES = (
    (0, 0.0), (1, 0.1), (1, 0.2), (1, 0.3), (1, 0.5), (2, 0.05), (2, 0.1), (2, 0.2), (2, 0.3),
)  # fmt: skip
# The session's first seconds are the filters' own.
SETTLED_S = 10.0


def high_passed(eeg_uv, order, edge_hz):
    """Return EEG through a causal Butterworth filter that begins at rest."""
    if not order:
        return eeg_uv
    sections = butter(order, edge_hz, "high", fs=SFREQ_HZ, output="sos")
    state = sosfilt_zi(sections)[:, :, None] * eeg_uv[0]
    return sosfilt(sections, eeg_uv, axis=0, zi=state)[0]


def disturbed(eeg_uv, kind, rng):
    """Return EEG with what amplifiers and electrodes add to it."""
    time_s = np.arange(len(eeg_uv))[:, None] / SFREQ_HZ
    each = rng.standard_normal(eeg_uv.shape[1])
    steps = rng.standard_normal(eeg_uv.shape) / np.sqrt(SFREQ_HZ)
    return (
        eeg_uv
        + {
            "clean": 0.0,
            "offsets of 5 mV": 5e3 * each,
            "drift of 10 µV/s": 10 * time_s * each,
            "drift of 100 µV/s": 100 * time_s * each,
            "random walk of 10 µV/√s": 10 * np.cumsum(steps, axis=0),
        }[kind]
    )


def error_mm(head, imager, eeg_uv, sources):
    """Return the mean distance from each source to its map's maximum, in mid-plateau."""
    settled = [source for source in sources if source.first > SETTLED_S * SFREQ_HZ]
    middles = [(source.first + source.last) // 2 for source in settled]
    strongest = head.strongest(imager(eeg_uv[middles]).moments_nam)
    offsets_m = head.dipoles_m[strongest] - head.dipoles_m[[source.dipole for source in settled]]
    return float(np.linalg.norm(offsets_m, axis=1).mean() * 1e3)


def filters_table(head, session, seed):
    """Return what each high-pass leaves of the sources, and of what it should take out."""
    imager = Imager(head.channels)
    kinds = (
        "clean", "offsets of 5 mV", "drift of 10 µV/s", "drift of 100 µV/s",
        "random walk of 10 µV/√s",
    )  # fmt: skip
    rows = []
    for order, edge_hz in tqdm(HIGH_PASSES, "filters", unit="filter"):
        errors = []
        for kind in kinds:
            rng = np.random.default_rng(seed)
            eeg_uv = disturbed(session.eeg_uv.astype(float), kind, rng)
            eeg_uv = high_passed(eeg_uv, order, edge_hz)
            errors.append(f"{error_mm(head, imager, eeg_uv, session.sources):.1f}")
        rows.append([f"order {order}, {edge_hz:g} Hz" if order else "none", *errors])
    return markdown_table(["high-pass; error, mm", *kinds], rows)


def caps(head, seed):
    """Yield names of caps, and which of the model's electrodes each has."""
    x, y, _ = head.electrodes_m.T
    names = np.array(head.channels)
    clinical = (
        "Fp1", "Fp2", "F7", "F3", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4",
        "P8", "O1", "O2",
    )  # fmt: skip
    yield "all", np.ones(len(x), bool)
    yield "no occipital ones", ~np.isin(names, ["O1", "O2", "Oz"])
    yield "none in front", y < 0.04
    yield "18 of the clinical 19", np.isin(names, clinical)
    yield "left third missing", x > -0.04
    yield "right half missing", x < 0.01
    rng = np.random.default_rng(seed)
    for n in (27, 23, 20, 18, 16, 14, 12, 10):
        there = np.zeros(len(x), bool)
        there[rng.choice(len(x), n, replace=False)] = True
        yield f"{n} at random", there


def caps_table(head, session, seed):
    """Return what missing electrodes cost, and how well the others cover their places."""
    field = ScalpField(head.electrodes_m, head.electrodes_m)
    network = Imager(head.channels).network
    rows = []
    for name, there in tqdm(list(caps(head, seed)), "caps", unit="cap"):
        labels = [label for label, is_there in zip(head.channels, there, strict=True) if is_there]
        if len(labels) < 12:
            continue
        imager = Imager(labels, network=network)
        error = error_mm(head, imager, session.eeg_uv[:, there], session.sources)
        share = field.coverage(there)
        rows.append((share.mean(), name, len(labels), share.min(), error))
    rows.sort(reverse=True)
    return markdown_table(
        ["cap", "electrodes", "coverage", "of the worst place", "error, mm"],
        [
            [name, str(n), f"{mean:.3f}", f"{least:.2f}", f"{e:.1f}"]
            for mean, name, n, least, e in rows
        ],
    )


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150.0, help="of the session")
    parser.add_argument("--seed", type=int, default=11, help="of the session")
    arguments = parser.parse_args()
    head = load_bundle().head
    session = simulate_session(head, arguments.seconds, SFREQ_HZ, arguments.seed)
    print(filters_table(head, session, arguments.seed))
    print()
    print(caps_table(head, session, arguments.seed))


if __name__ == "__main__":
    main()
