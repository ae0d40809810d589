"""TOML tables as dataclasses, checked: cattrs with messages that name file, section and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Literal, TypeVar, get_args, get_origin

from cattrs import AttributeValidationNote, ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn
from convdip.errors import ConfigError

Config = TypeVar("Config")

_WORDS: dict[Any, str] = {float: "a number", int: "a whole number", str: "a text"}


def from_table(cls: type[Config], table: dict[str, Any], where: str) -> Config:
    """Return a table as a dataclass.

    Parameters
    ----------
    cls : type
        A dataclass, of dataclasses, numbers, texts, literals and tuples of these.
    table : dict
        As `tomllib` or `json` reads it.
    where : str
        What messages call the table: the file's name.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, a value has the wrong type, or the dataclass refuses it.
    """
    try:
        return _CONVERTER.structure(table, cls)
    except ClassValidationError as error:
        raise ConfigError(_first_mistake(error, where)) from None


def _first_mistake(error: ClassValidationError, where: str) -> str:
    """Return one line about the first of the mistakes that cattrs collected."""
    mistake = error.exceptions[0]
    notes = [n for n in getattr(mistake, "__notes__", ()) if isinstance(n, AttributeValidationNote)]
    key = notes[0].name if notes else ""
    if isinstance(mistake, ClassValidationError):
        return _first_mistake(mistake, f"{where} [{key}]")
    if isinstance(mistake, ForbiddenExtraKeysError):
        known = ", ".join(field.name for field in fields(mistake.cl))
        unknown = ", ".join(repr(name) for name in sorted(mistake.extra_fields))
        return f"{where}: unknown key {unknown}: expected one of {known}"
    if isinstance(mistake, ConfigError):  # of the dataclass itself: it names section and key
        return str(mistake)
    if isinstance(mistake, KeyError):
        return f"{where}: {key} is not set"
    return f"{where}: {key} is {mistake}"


def _is_kind(origin: Any, kind: Any) -> bool:
    return get_origin(kind) is origin


def _wrong(value: Any, expected: str) -> ValueError:
    return ValueError(f"{value!r}: expected {expected}")


def _plain(value: Any, kind: Any) -> Any:
    """Take a number or text as it is: cattrs would convert 1.5 to 1, and 1 to '1'."""
    if type(value) is kind or (kind is float and type(value) is int):
        return kind(value)
    raise _wrong(value, _WORDS[kind])


def _literal(value: Any, kind: Any) -> Any:
    if value in get_args(kind):
        return value
    raise _wrong(value, " or ".join(map(repr, get_args(kind))))


def _tuple(value: Any, kind: Any) -> tuple[Any, ...]:
    kinds = get_args(kind)
    if isinstance(value, list) and kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if not isinstance(value, list) or len(value) != len(kinds):
        raise _wrong(value, "a list" if kinds[-1] is Ellipsis else f"a list of {len(kinds)}")
    return tuple(_CONVERTER.structure(item, k) for item, k in zip(value, kinds, strict=True))


def _dataclass(cls: type) -> Callable[[Any, Any], Any]:
    structure: Any = make_dict_structure_fn(cls, _CONVERTER, _cattrs_forbid_extra_keys=True)

    def checked(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong(value, "a table")
        return structure(value, kind)

    return checked


_CONVERTER = Converter()
for _kind in _WORDS:
    _CONVERTER.register_structure_hook(_kind, _plain)
_CONVERTER.register_structure_hook_func(partial(_is_kind, Literal), _literal)
_CONVERTER.register_structure_hook_func(partial(_is_kind, tuple), _tuple)
_CONVERTER.register_structure_hook_factory(is_dataclass, _dataclass)
