"""The live cortex in a browser: a client of the published streams that serves a page.

``live.py`` reads a service's streams and says what is to be seen, ``messages.py`` words it for the
wire. ``client.py`` keeps one browser at its own pace, ``access.py`` says who may look,
``server.py`` puts them together. ``page`` is what the browser gets: plain HTML, style sheet and
JavaScript.
"""
