"""Whether what was read is what the model says: a file may hold anything anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from replay.instants import MOST

BROKEN = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What comes of values that are not what they should be."""

_T = TypeVar("_T")
_Fits = Callable[[Any], bool]


def checked(value: _T) -> _T:
    """
    Give *value*, a dataclass, back, if what is in it is of the types that are declared.

    Raises:
        TypeError: something is not; says what.

    """
    kind: Any = type(value)
    for name, fits in _fields(kind):
        if not fits(found := getattr(value, name)):
            raise TypeError(f"{name} of {type(value).__name__} is {found!r:.60}")
    return value


@cache
def _fields(kind: Any) -> list[tuple[str, _Fits]]:
    hints = get_type_hints(kind)
    return [(field.name, _fits(hints[field.name])) for field in fields(kind)]


def _fits(kind: Any) -> _Fits:  # noqa: PLR0911 - one line a sort of type
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda _: True
    if kind is float:
        return lambda value: type(value) in (int, float) and -MOST < value < MOST
    if origin is UnionType:
        options = [_fits(option) for option in inner]
        return lambda value: any(fits(value) for fits in options)
    if origin is Literal:
        return lambda value: value in inner
    if origin is tuple:
        return _tuple_fits(*inner)
    if origin is dict:
        key, item = map(_fits, inner)
        return lambda value: (
            type(value) is dict and all(key(name) and item(value[name]) for name in value)
        )
    if is_dataclass(kind):
        return lambda value: type(value) is kind and checked(value) is value
    return lambda value: type(value) is kind


def _tuple_fits(first: Any, *others: Any) -> _Fits:
    if others == (Ellipsis,):
        each = _fits(first)
        return lambda value: type(value) is tuple and all(map(each, value))
    kinds = (first, *others)
    return lambda value: type(value) is tuple and tuple(map(type, value)) == kinds
