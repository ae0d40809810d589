"""The benchmark: how old what a client receives is, how much is lost, and what it costs."""
