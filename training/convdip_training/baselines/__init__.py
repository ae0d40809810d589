"""The rivals: inverse methods that take an `Erp` and return a source map."""
