"""What a feedback loop is given: features, blocks, one value, and a record of it all."""
