"""Whether a setting's value is of the type that its annotation says: nothing is coerced.

What a user writes in Python or TOML may be of any type, and `true` is a name as good as any once
it is made text. So each value is held against the annotation of its field, which are the only list
of what each may be.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from convdip.errors import ConfigError
from convdip.live.tables import MOST_CHARACTERS, MOST_OF_VALUE, is_finite
from convdip.text import shown

# What names something may have so many characters.
MOST_OF_NAME = 200
_NUMBERS = ("no", "one", "two", "three", "four")


def check_types(settings: object) -> None:
    """Hold the fields of a dataclass against their annotations.

    Parameters
    ----------
    settings : dataclass

    Raises
    ------
    ConfigError
        If a value is of another type, a number that is none, or text that cannot be read; it names
        the first.
    """
    assert is_dataclass(settings)
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        check_type(f"`{field.name}`", getattr(settings, field.name), hints[field.name])


def check_type(what: str, value: object, hint: Any, *, is_toml: bool = False) -> None:
    """Hold a value against an annotation.

    Parameters
    ----------
    what : str
        How messages call it.
    value : object
    hint : type
        Of those that settings have.
    is_toml : bool
        Whether it stands in a file, where a path is text.

    Raises
    ------
    ConfigError
        If it is none such.
    """
    if not _is(value, hint, is_toml=is_toml):
        raise ConfigError(f"{what} is {shown_value(value)}: expected {' or '.join(_words(hint))}")
    for text in [value] if isinstance(value, str | Path) else _texts(value):
        check_text(what, str(text), MOST_CHARACTERS)


def check_text(what: str, text: str, most: int = MOST_OF_NAME) -> None:
    """Refuse text that cannot be shown in a line, or is too long.

    Raises
    ------
    ConfigError
        If it is such.
    """
    if not text.isprintable():
        raise ConfigError(
            f"{what} is {shown_value(text)}: expected text without control characters"
        )
    if len(text) > most:
        raise ConfigError(f"{what} has {len(text)} characters: expected {most} at most")


def shown_value(value: object) -> str:
    """Return a value as messages show it: in a line, and not all of a long one."""
    try:
        text = value if isinstance(value, Path) else repr(value)
    except ValueError:  # an integer of thousands of digits
        text = f"a {type(value).__name__} of very many digits"
    return shown(str(text), MOST_OF_VALUE)


def _texts(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for text in value if isinstance(text, str)]
    return [name for name in value if isinstance(name, str)] if isinstance(value, Mapping) else []


def _is(value: Any, hint: Any, *, is_toml: bool) -> bool:
    origin, inner = get_origin(hint), get_args(hint)

    def each(values: Any, hints: Sequence[Any]) -> bool:
        pairs = zip(values, hints, strict=True)
        return all(_is(one, one_hint, is_toml=is_toml) for one, one_hint in pairs)

    if origin is Annotated:
        return _is(value, inner[0], is_toml=is_toml)
    if origin in (Union, types.UnionType):
        return any(_is(value, one, is_toml=is_toml) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        is_list = isinstance(value, tuple | list)
        return is_list and len(value) == len(inner) and each(value, inner)
    if origin is Sequence:
        return isinstance(value, tuple | list) and each(value, inner * len(value))
    if origin is Mapping:
        if is_toml or not isinstance(value, Mapping):
            return False
        return all(each(pair, inner) for pair in value.items())
    if hint in (float, int):
        kind: Any = Real if hint is float else Integral
        return type(value) is not bool and isinstance(value, kind) and is_finite(value)
    if hint is Path:
        return isinstance(value, str if is_toml else Path)
    return isinstance(value, type(None) if hint is None else hint)


def _words(hint: Any) -> list[str]:
    """Return what an annotation allows, in words; None goes without saying."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _words(inner[0])
    if origin in (Union, types.UnionType):
        return [word for one in inner for word in _words(one)]
    if origin is Literal:
        return [repr(one) for one in inner]
    if origin is tuple:
        [word] = {word for one in inner for word in _words(one)}
        return [f"{_NUMBERS[len(inner)]} of these, {word}"]
    if origin is Sequence:
        return [f"a list of {word}" for word in _words(inner[0])]
    if origin is Mapping:
        return [f"{inner[1].__name__} by name"]
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    names |= {Path: "a path", type(None): ""}
    return [word for word in [names.get(hint, getattr(hint, "__name__", str(hint)))] if word]
