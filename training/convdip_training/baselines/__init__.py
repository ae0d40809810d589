"""The baseline methods: inverse methods that take an `Erp` and return a source map."""
