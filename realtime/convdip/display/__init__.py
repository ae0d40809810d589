"""The live cortex: a client of the published streams, in a process of its own.

``follower.py`` reads a stream through its losses, ``feed.py`` all that belong to one service,
``history.py`` keeps the last 30 s; ``view.py``, ``raster.py`` and ``cortex.py`` make a picture of
a source map, ``scalp.py`` of the EEG, none of which needs a window; ``window.py`` shows them.
"""
