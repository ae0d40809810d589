"""Send EEG as pylsl's SendDataAdvanced does: python pylsl_sender.py EEG.npz NAME.

EEG.npz holds labels, a rate and samples in microvolts. Chunks of what is due are lists with one
stamp, 125 ms old; again and again, until it is ended.
"""

import sys
import time

import numpy as np
import pylsl

with np.load(sys.argv[1]) as eeg:
    labels, rate_hz = eeg["labels"].tolist(), float(eeg["rate_hz"])
    samples = (eeg["volts"] * 1e6).tolist()
info = pylsl.StreamInfo(sys.argv[2], "EEG", len(labels), rate_hz, "float32", "myuid2424")
info.desc().append_child_value("manufacturer", "LSLExampleAmp")
channels = info.desc().append_child("channels")
for label in labels:
    channel = channels.append_child("channel")
    channel.append_child_value("label", label)
    channel.append_child_value("unit", "microvolts")
    channel.append_child_value("type", "EEG")
    channel.append_child_value("scaling_factor", "1")
outlet = pylsl.StreamOutlet(info, 32, 360)
begin_s, n_sent = pylsl.local_clock(), 0
while True:
    n_due = int(rate_hz * (pylsl.local_clock() - begin_s)) - n_sent
    if n_due > 0:
        chunk = [samples[k % len(samples)] for k in range(n_sent, n_sent + n_due)]
        outlet.push_chunk(chunk, pylsl.local_clock() - 0.125)
        n_sent += n_due
    time.sleep(0.02)
