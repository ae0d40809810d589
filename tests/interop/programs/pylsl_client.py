"""Read a service's stream as pylsl's examples do: python pylsl_client.py FILE STREAM.

Metadata as in HandleMetadata, samples as in ReceiveData and ReceiveDataInChunks.
"""

import sys

import numpy as np
from pylsl import StreamInlet, resolve_byprop

file, name = sys.argv[1:]
inlet = StreamInlet(resolve_byprop("name", name, timeout=60)[0])
info = inlet.info()
names, units = [], []
channel = info.desc().child("channels").child("channel")
for _ in range(info.channel_count()):
    names.append(channel.child_value("label"))
    units.append(channel.child_value("unit"))
    channel = channel.next_sibling()
values, stamps = [], []
for _ in range(20):
    sample, stamp = inlet.pull_sample(timeout=60)
    values.append(sample)
    stamps.append(stamp)
while len(stamps) < 60:
    chunk, its_stamps = inlet.pull_chunk(timeout=1)
    values += chunk
    stamps += its_stamps
np.savez(
    file,
    names=names,
    units=units,
    rate_hz=info.nominal_srate(),
    values=np.float32(values),
    stamps=stamps,
)
