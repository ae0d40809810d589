"""The live cortex: a client of the published streams, in a process of its own.

``follower.py`` reads one stream and reconnects after a loss, ``feed.py`` all streams of a service,
``history.py`` keeps the last 30 s. ``view.py``, ``raster.py`` and ``cortex.py`` draw a source map,
``scalp.py`` the EEG, all without a window; ``window.py`` puts it together, with a file each for
the panels beside the cortex, the key map (``keys.py``), playback (``player.py``) and settings.
``participant`` is a window of its own, for the participant.
"""
