"""Read a stream with mne-realtime: python mne_realtime_client.py FILE SOURCE_ID N_CHANNELS RATE_HZ.

Its `LSLClient` finds streams by their source id. It was written for older releases of pylsl, looks
for a tenth of a second, and describes streams of type EEG alone: so it needs pylsl's module under
its old name, more time on a busy computer, and an info for all other types.
"""

import sys

import mne
import numpy as np
import pylsl
from mne_realtime import LSLClient

pylsl.pylsl = pylsl.lib
resolve_streams = pylsl.resolve_streams
pylsl.resolve_streams = lambda wait_time=1.0: resolve_streams(max(1.0, wait_time))
file, source_id, n_channels, rate_hz = sys.argv[1:]
info = mne.create_info(int(n_channels), float(rate_hz), "misc")
with LSLClient(info=info, host=source_id, wait_max=20, buffer_size=500) as client:
    epoch = client.get_data_as_epoch(n_samples=100, timeout=60)
np.savez(file, values=epoch.get_data()[0].T)
