"""What a loop consumes: regions, their features, a baseline, and one value to trust."""
