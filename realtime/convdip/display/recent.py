"""What was opened last, kept between sessions."""

from __future__ import annotations

import json

from PySide6.QtCore import QSettings

N_KEPT = 3
KEY = "recent"


class Recent:
    """The EEG streams imaged last, with their options.

    Parameters
    ----------
    store : QSettings

    Attributes
    ----------
    entries : list of (str, str)
        Name of the stream and options as on the command line, the latest first.
    """

    def __init__(self, store: QSettings) -> None:
        self._store = store
        try:
            saved = json.loads(str(store.value(KEY, "[]")))
            self.entries = [(str(name), str(options)) for name, options in saved][:N_KEPT]
        except (TypeError, ValueError):  # written by hand
            self.entries = []

    def add(self, name: str, options: str) -> None:
        """Keep an entry as the latest."""
        entry = (name, options.strip())
        self.entries = [entry, *(e for e in self.entries if e != entry)][:N_KEPT]
        self._store.setValue(KEY, json.dumps(self.entries))
