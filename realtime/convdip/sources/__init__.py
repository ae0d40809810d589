"""What feeds a service: recordings, the simulator, and the patches and background it is made of."""
