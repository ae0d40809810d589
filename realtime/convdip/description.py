"""What a stream says of itself, read as far as is needed, whoever wrote it and whatever it holds.

A description is a tree that any program may write. liblsl holds it parsed; printing it as XML, with
a tab for each level, would take the square of its depth, and parsing that again a hundred times its
size in memory. So it is walked where liblsl has it, within bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pylsl
from pylsl.lib import lib

from convdip.errors import StreamError
from convdip.text import decoded, shown

# The sources' own has 46,000 elements on three levels in 2 MB. What lies deeper is nothing that
# anybody specified, and is not looked at.
MOST_ELEMENTS, MOST_BYTES, DEEPEST = 100_000, 8_000_000, 8


def read_desc(info: pylsl.StreamInfo, *wanted: str) -> ElementTree.Element:
    """Read a stream's description.

    Parameters
    ----------
    info : pylsl.StreamInfo
        Of the opened inlet.
    *wanted : str
        The elements of ``desc`` to be read, with all that they hold; others are left out.

    Returns
    -------
    desc : Element
        Without attributes, which liblsl does not tell of.

    Raises
    ------
    StreamError
        If what is wanted is larger than any description has to be.
    """
    desc = ElementTree.Element("desc")
    bounds = _Bounds(f"the description of the stream {shown(info.name())!r}")
    top = lib.lsl_get_desc(info.obj)
    for child in _children(top):
        bounds.count()
        tag = decoded(lib.lsl_name(child))
        if tag in wanted:
            _walk(child, ElementTree.SubElement(desc, tag), bounds, 1)
    return desc


def desc_of(content: Any, whose: str) -> ElementTree.Element:
    """Return a description that was read as a dictionary of lists, as pyxdf does.

    Parameters
    ----------
    content : dict of str to list, or str, or None
    whose : str
        What it describes, for errors.

    Raises
    ------
    StreamError
        If it is larger than any description has to be.
    """
    desc = ElementTree.Element("desc")
    _fill(desc, content, _Bounds(f"the description of {shown(whose)}"), 0)
    return desc


class _Bounds:
    """Counts what is read of a description."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._n_elements = self._n_bytes = 0

    def count(self, n_bytes: int = 0) -> None:
        """Count an element, or its text."""
        self._n_elements += not n_bytes
        self._n_bytes += n_bytes
        if self._n_elements > MOST_ELEMENTS or self._n_bytes > MOST_BYTES:
            raise StreamError(
                f"{self._what} is too large: expected {MOST_ELEMENTS:,} elements and "
                f"{MOST_BYTES / 1e6:g} MB of text at most; its sender must be mended"
            )


def _walk(node: int, element: ElementTree.Element, bounds: _Bounds, depth: int) -> None:
    """Read what an element of liblsl's tree holds."""
    texts: list[str] = []
    for child in _children(node):
        tag = lib.lsl_name(child)
        if not tag:  # text has no name
            value = lib.lsl_value(child)
            bounds.count(len(value))
            if not len(element):
                texts.append(decoded(value))
            continue
        bounds.count()
        if depth < DEEPEST:
            _walk(child, ElementTree.SubElement(element, decoded(tag)), bounds, depth + 1)
    element.text = "".join(texts)


def _children(node: int) -> Iterator[int]:
    child = lib.lsl_first_child(node)
    while child:
        yield child
        child = lib.lsl_next_sibling(child)


def _fill(element: ElementTree.Element, content: Any, bounds: _Bounds, depth: int) -> None:
    if not isinstance(content, dict):
        element.text = str(content or "")
        bounds.count(len(element.text))
        return
    for tag, children in content.items():
        for child in children:
            bounds.count()
            if depth < DEEPEST:
                _fill(ElementTree.SubElement(element, tag), child, bounds, depth + 1)
