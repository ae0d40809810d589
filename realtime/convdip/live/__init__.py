"""The way of a sample: inlet → montage → topography → network → scale → outlet."""
