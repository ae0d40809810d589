"""The benchmark: age of the samples at a client, losses, throughput and cost."""
