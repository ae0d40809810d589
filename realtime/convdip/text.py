"""Text that comes from outside, as it may be shown, logged and published: one line, bounded."""

from __future__ import annotations

from collections.abc import Iterable

# Of one thing that a stream or a file says, and of a whole line about it.
MOST_CHARACTERS, MOST_IN_A_LINE = 200, 4000
MOST_LISTED = 64

# Characters of their own right that nobody sees: fillers, and what joins graphemes.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def shown(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return text as one short line of characters that can be seen.

    What would steer a terminal, begin a line or turn the direction of what follows, and what nobody
    sees, is written as in Python: control characters, line breaks, bidirectional marks, characters
    of no width, lone surrogates.

    Parameters
    ----------
    text : str
    most : int
        Characters of the line; of a longer one, the end is left out.

    Examples
    --------
    >>> print(shown("Fp1\x1b[2J\nroot: all is well\u202e"))
    Fp1\x1b[2J\nroot: all is well\u202e
    >>> shown("µV — «Ä»")
    'µV — «Ä»'
    """
    if len(text) <= most and text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    line = "".join(map(_seen, text[: most + 1]))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def decoded(text: bytes) -> str:
    """Read what is meant to be UTF-8; what is none is read as Latin-1, byte by byte, as pylsl does.

    Examples
    --------
    >>> decoded("µV".encode()), decoded("µV".encode("latin-1"))
    ('µV', 'µV')
    """
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def shown_line(text: object) -> str:
    """Return a whole line, a message that may quote what comes from outside, as `shown`."""
    return shown(str(text), MOST_IN_A_LINE)


def shown_lines(text: str) -> str:
    """Return lines of our own that may quote what comes from outside, each as `shown`."""
    return "\n".join(map(shown_line, text.split("\n")))


def one_line(text: str) -> str:
    r"""Return text as `shown`, with a blank for any white space.

    Examples
    --------
    >>> one_line(" S  7\n<b>go</b>")
    'S 7 <b>go</b>'
    """
    return shown(" ".join(text[: 4 * MOST_CHARACTERS].split()))


def listed(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return names by comma, the first of many.

    Examples
    --------
    >>> listed(["Fp1", "Cz", "O2"], most=2)
    'Fp1, Cz and 1 more'
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more


def _seen(character: str) -> str:
    if character.isprintable() and character not in _UNSEEN:
        return character
    # Blanks of other widths.
    if character.isspace() and character not in "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
