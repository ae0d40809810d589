"""How good a model is, and against what: the paper's sections 2.1 (AGM) and 2.4 to 3."""
