"""The whole report on an EEG source, before anyone runs the service on it."""
