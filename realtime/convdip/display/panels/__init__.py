"""The panels beside the cortex, one file each."""
