"""Tell the left fist from the right, live: train on one recording, guess in the next.

    python examples/fists.py Lab --train 15 --test 15
    convdip replay S001R03.edf && convdip replay S001R04.edf
    convdip run --config examples/fists.toml

in three terminals, in this order: the first two wait. The service's streams stay up while one
recording ends and the next begins. Needs pylsl and scikit-learn only. The recordings are of
PhysioNet's EEG Motor Movement/Imagery Dataset: T1 marks a left fist, T2 a right one, moved in R03
and imagined in R04. Any other program may send such markers (--markers).
"""

import argparse
import sys
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pylsl
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SIDES = {"T1": "left", "T2": "right"}
BEGIN_S, END_S = 0.5, 4.0  # of a trial, after its marker
LEAST_VALID = 0.5  # of its samples: blinks and movements suspend the features
LATE_S = 1.0  # what has not come by then does not come


def connect(name: str) -> pylsl.StreamInlet:
    """Open a stream; where it ends and comes back, the inlet follows."""
    print(f"waiting for {name}")
    found = pylsl.resolve_byprop("name", name, timeout=60)
    if not found:
        sys.exit(f"no stream {name} within a minute")
    inlet = pylsl.StreamInlet(found[0], processing_flags=pylsl.proc_clocksync)
    inlet.open_stream(timeout=5)
    return inlet


def trials(features: pylsl.StreamInlet, markers: pylsl.StreamInlet) -> Iterator[tuple]:
    """Yield each trial once it is over: its side, and log powers if enough samples are valid."""
    info = features.info(timeout=5)
    labels = [one.text for one in ElementTree.fromstring(info.as_xml()).iterfind(".//label")]
    # Behind the powers come their z, which need a baseline; the scaler stands in for it.
    n_powers = sum(not label.endswith("_z") for label in labels)
    least = LEAST_VALID * (END_S - BEGIN_S) * info.nominal_srate()
    stamps_s, powers, waiting = np.empty(0), np.empty((0, n_powers)), []
    while True:
        rows, new_s = features.pull_chunk(timeout=0.1, max_samples=1000, as_numpy=True)
        if len(new_s):
            stamps_s, powers = np.append(stamps_s, new_s), np.vstack([powers, rows[:, :n_powers]])
            powers, stamps_s = (held[stamps_s > new_s[-1] - 10] for held in (powers, stamps_s))
        texts, onsets_s = markers.pull_chunk(timeout=0.0)
        waiting += [(t[0], s) for t, s in zip(texts, onsets_s, strict=True) if t[0] in SIDES]
        while waiting:
            text, onset_s = waiting[0]
            is_over = stamps_s.size and stamps_s[-1] >= onset_s + END_S
            if not is_over and pylsl.local_clock() < onset_s + END_S + LATE_S:
                break
            waiting.pop(0)
            inside = (onset_s + BEGIN_S <= stamps_s) & (stamps_s < onset_s + END_S)
            valid = powers[inside & np.isfinite(powers).all(axis=1)]
            yield SIDES[text], np.log(valid).mean(axis=0) if len(valid) >= least else None


def main() -> None:
    """Train, then guess."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the service's --name")
    parser.add_argument("--markers", default="Replay-Markers", help="name of the marker stream")
    parser.add_argument("--train", type=int, default=15, help="trials to learn from")
    parser.add_argument("--test", type=int, default=15, help="trials to guess")
    arguments = parser.parse_args()
    markers = connect(arguments.markers)
    coming = trials(connect(f"{arguments.name}-Features"), markers)

    learned = []
    for number in range(1, arguments.train + 1):
        side, powers = next(coming)
        print(f"trial {number:2d}   {side:5}   {'left out' if powers is None else 'learned'}")
        if powers is not None:
            learned.append((side, powers))
    sides, powers = zip(*learned, strict=True) if learned else ((), ())
    if len(set(sides)) < 2:
        sys.exit("trials of both sides are needed to learn from: train longer")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.array(powers), sides)

    truths, scores, hits = [], [], 0
    for number in range(1, arguments.test + 1):
        side, powers = next(coming)
        if powers is None:
            print(f"trial {number:2d}   left out, was {side}")
            continue
        guess = model.predict([powers])[0]
        hits += guess == side
        truths.append(side)
        scores.append(model.decision_function([powers])[0])
        print(f"trial {number:2d}   guess {guess:5}   was {side:5}   {hits} of {len(truths)} right")
    if not truths:
        sys.exit("no trial was clean enough to be guessed")
    low, high = binomtest(hits, len(truths)).proportion_ci(method="wilson")
    print(f"hit rate {hits / len(truths):.2f} (95 % interval {low:.2f} to {high:.2f})", end="")
    is_right = np.array(truths) == model.classes_[1]
    auc = f"{roc_auc_score(is_right, scores):.2f}" if 0 < is_right.sum() < len(truths) else "-"
    print(f", AUC {auc}, {arguments.test - len(truths)} left out")


if __name__ == "__main__":
    main()
