"""Send EEG with MNE-LSL's player: python mne_lsl_player.py EEG.npz NAME

EEG.npz holds labels, a rate and samples in volts, shape (n_times, n_channels). Plays it again and
again, until its input is closed.
"""

import sys

import mne
import numpy as np
from mne_lsl.player import PlayerLSL

with np.load(sys.argv[1]) as eeg:
    info = mne.create_info(
        [*map(str, eeg["labels"]), "TRIGGER"],
        float(eeg["rate_hz"]),
        ["eeg"] * len(eeg["labels"]) + ["stim"],
    )
    volts = np.tile(eeg["volts"], (20, 1))
    trigger = np.arange(len(volts)) % 50 == 0
    raw = mne.io.RawArray(np.vstack([volts.T, trigger]), info, verbose="error")
player = PlayerLSL(raw, chunk_size=5, name=sys.argv[2], source_id=f"id-{sys.argv[2]}")
player.start()
sys.stdin.read()
player.stop()
