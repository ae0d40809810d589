"""Expressions of features, such as ``log(left) - log(right)``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError

Float = NDArray[np.float64]

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
FUNCTIONS = {"log": np.log, "sqrt": np.sqrt, "abs": np.abs}
LONGEST = 200


class Contrast:
    """An expression of features: ``+``, ``-``, ``*``, ``/``, ``log``, ``sqrt``, ``abs``, numbers.

    Parameters
    ----------
    text : str

    Attributes
    ----------
    names : tuple of str
        The features in it.

    Raises
    ------
    ConfigError
        If it is no such expression.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            if len(text) > LONGEST:
                raise SyntaxError
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._wrong("it cannot be read") from None
        names = set[str]()
        self._check(self._tree, names)
        if not names:
            raise self._wrong("no feature is in it")
        self.names = tuple(sorted(names))

    def __str__(self) -> str:
        return self._text

    def __call__(self, values: Mapping[str, Float]) -> Float:
        """Return its value; NaN where any feature is, or where it has none."""
        with np.errstate(all="ignore"):
            found = np.asarray(self._value(self._tree, values), float)
        return np.where(np.isfinite(found), found, np.nan)

    def _check(self, node: ast.expr, names: set[str]) -> None:
        match node:
            case ast.BinOp(left, op, right) if type(op) in OPERATORS:
                self._check(left, names)
                self._check(right, names)
            case ast.UnaryOp(ast.USub(), operand):
                self._check(operand, names)
            case ast.Call(ast.Name(function), [argument], []) if function in FUNCTIONS:
                self._check(argument, names)
            case ast.Constant(float() | int()):
                pass
            case ast.Name(name):
                names.add(name)
            case _:
                raise self._wrong(f"{ast.unparse(node)!r} is not understood")

    def _value(self, node: ast.expr, values: Mapping[str, Float]) -> Any:
        match node:
            case ast.BinOp(left, op, right):
                one, other = self._value(left, values), self._value(right, values)
                return OPERATORS[type(op)](one, other)
            case ast.UnaryOp(_, operand):
                return -self._value(operand, values)
            case ast.Call(ast.Name(function), [argument], _):
                return FUNCTIONS[function](self._value(argument, values))
            case ast.Name(name):
                return values[name]
            case ast.Constant(number):
                return np.float64(number)  # type: ignore[arg-type]
        raise AssertionError(node)

    def _wrong(self, why: str) -> ConfigError:
        return ConfigError(
            f"`of` is {self._text[:LONGEST]!r}: {why}; expected names of features, numbers, "
            f"+ - * / and {', '.join(FUNCTIONS)}, such as 'log(left) - log(right)'"
        )
