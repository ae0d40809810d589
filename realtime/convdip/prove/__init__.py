"""The proof: simulated sources in every region through the real service, and a report on them."""
