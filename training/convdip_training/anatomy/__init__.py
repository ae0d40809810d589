"""From a head to its lead field: template, boundary element model, families of heads."""
