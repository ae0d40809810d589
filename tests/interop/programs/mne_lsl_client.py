"""Read a service's streams with MNE-LSL: python mne_lsl_client.py FOLDER STREAM …

Writes, for each stream, what it got of it into FOLDER/STREAM.npz.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from mne_lsl.stream import StreamLSL

warnings.simplefilter("ignore")  # of units that FIF does not know
for name in sys.argv[2:]:
    stream = StreamLSL(bufsize=2, name=name).connect(acquisition_delay=0.05, timeout=60)
    wanted = min(100, int(stream.info["sfreq"]))
    while stream.n_new_samples < wanted:
        time.sleep(0.05)
    values, stamps = stream.get_data()
    is_there = stamps > 0  # its buffer begins with zeros
    np.savez(
        Path(sys.argv[1]) / f"{name}.npz",
        names=stream.ch_names,
        units=stream.sinfo.get_channel_units(),
        rate_hz=stream.info["sfreq"],
        values=values.T[is_there],
        stamps=stamps[is_there],
    )
    stream.disconnect()
