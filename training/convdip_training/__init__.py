"""The offline laboratory: head model → simulated EEG → trained ConvDip → ONNX bundle."""
