"""The networks: the paper's layers, matched filters, and the way to another head."""
