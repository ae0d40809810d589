"""The participant's view: one scene that follows the feedback, and plain pages between.

``feed.py`` reads ``NAME-Feedback``, ``sitting.py`` says what is to be seen of it, ``smooth.py``
makes the value follow calmly; all without a window. ``scenes.py`` and ``pages.py`` draw,
``shown.py`` publishes what was shown when, ``window.py`` puts it together.
"""

from typing import Literal

SceneName = Literal["gauge", "circle", "horizon"]
