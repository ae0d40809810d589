"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable


def markdown_table(
    header: Iterable[str], rows: Iterable[Iterable[str]], *, padded: bool = False
) -> str:
    """Return a table in Markdown, without a final line break.

    Parameters
    ----------
    header : iterable of str
    rows : iterable of iterable of str
        As many cells each as the header has.
    padded : bool
        Align the columns, so that the table reads well in a terminal, too.

    Examples
    --------
    >>> print(markdown_table(("method", "AUC"), [("eLORETA", "0.85")]))
    | method | AUC |
    |---|---|
    | eLORETA | 0.85 |
    >>> print(markdown_table(("method", "AUC"), [("eLORETA", "0.85")], padded=True))
    | method  | AUC  |
    |---------|------|
    | eLORETA | 0.85 |
    """
    lines = [list(header), *map(list, rows)]
    widths = [1] * len(lines[0])
    if padded:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines = [
            [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
        ]
    rule = "|".join("-" * (width + 2) for width in widths)
    first, *others = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([first, f"|{rule}|", *others])
