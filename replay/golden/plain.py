"""Values as JSON: models, dataclasses, SDK objects, streams and exceptions, without any help."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncIterable, Iterator, Mapping, Set
from typing import Any

from replay.canonical import DEPTH, canonical_json, is_deep
from replay.errors import NotJson
from replay.golden.streams import assembled
from replay.model import Json
from replay.spelling import bytes_as_json

_SCALARS = (str, int, bool, type(None))


def plain(value: Any, what: str = "The output") -> Json:
    """
    Turn *value* into JSON, the same whatever the order in which sets give up what is in them.

    Pydantic models and those of the SDKs, dataclasses, attrs, named tuples, arrays, dates, enums
    and paths become what they hold; an iterator is read to its end, and the events of a model's
    stream are put together; an exception becomes its type, its message and its cause.

    >>> plain({"ids": {"b", "a"}, "error": ValueError("no such order")})
    {'ids': ['a', 'b'], 'error': {'error': 'builtins.ValueError', 'message': 'no such order'}}

    Raises:
        NotJson: something in it has no JSON form.

    """
    try:
        found = _plain(value)
    except (_Unknown, RecursionError) as error:
        raise NotJson(what, str(error)) from error
    if is_deep(found):
        raise NotJson(what, f"it is nested deeper than {DEPTH} levels")
    return found


class _Unknown(Exception):
    """What has no JSON form, said to a person."""


def _plain(value: Any) -> Json:  # noqa: PLR0911 - one line a sort of value
    kind = type(value)
    if kind in _SCALARS or (kind is float and math.isfinite(value)):
        return value
    if kind is list or kind is tuple:
        return _sequence(value)
    if isinstance(value, Mapping):
        return {_name(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Set):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if isinstance(value, BaseException):
        return _exception(value)
    if _is_failure(value):
        return _exception(value.value)
    if hasattr(kind, "__pydantic_serializer__"):
        return _model(value)
    if (fields := _fields(value)) is not None:
        return {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes_as_json(bytes(value))
    return _other(value)


def _sequence(value: list[Any] | tuple[Any, ...]) -> Json:
    items = [_plain(item) for item in value]
    if value and hasattr(type(value[0]), "__pydantic_serializer__"):
        return assembled(items)  # what a program has collected from an asynchronous stream
    return items


def _name(name: Any) -> str:
    return name if isinstance(name, str) else str(_core(name, in_key=True))


def _fields(value: Any) -> tuple[str, ...] | None:
    """Name the fields of a dataclass, an attrs class or a named tuple; None for anything else."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value))
    if attributes := getattr(type(value), "__attrs_attrs__", None):
        return tuple(attribute.name for attribute in attributes)
    return getattr(type(value), "_fields", None) if isinstance(value, tuple) else None


def _model(value: Any) -> Json:
    """
    Let a model say what it is as JSON, and put its sets in order.

    SDKs put off building the serializers of their models; pydantic before 2.14 does it when a
    model serializes itself, and not when it is serialized.
    """
    if not getattr(type(value), "__pydantic_complete__", True):
        type(value).model_rebuild()
    return _settled(_core(value), value)


def _settled(shown: Json, value: Any) -> Json:
    """Sort the lists in *shown* that are sets in *value*."""
    if isinstance(value, Set) and isinstance(shown, list):
        return sorted(shown, key=canonical_json)
    if isinstance(shown, list) and isinstance(value, list | tuple) and len(shown) == len(value):
        return [_settled(one, other) for one, other in zip(shown, value, strict=True)]
    if isinstance(shown, dict):
        inner = value if isinstance(value, dict) else getattr(value, "__dict__", {})
        return {name: _settled(item, inner.get(name)) for name, item in shown.items()}
    return shown


def _exception(error: BaseException) -> Json:
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    shown: dict[str, Json] = {"error": kind, "message": str(error)}
    if isinstance(error, BaseExceptionGroup):
        shown["exceptions"] = [_exception(inner) for inner in error.exceptions]
    if error.__cause__ is not None:
        shown["cause"] = _exception(error.__cause__)
    if notes := getattr(error, "__notes__", None):
        shown["notes"] = list(map(str, notes))
    return shown


def _other(value: Any) -> Json:
    kind = type(value)
    if callable(made := getattr(value, "tolist", None)):  # numpy, torch and their like
        return _plain(made())
    if isinstance(value, AsyncIterable):
        wanted = "collect it first: [event async for event in stream]"
        raise _Unknown(
            f"an asynchronous stream ({kind.__qualname__}) is read by its test; {wanted}"
        )
    if _is_http(value):
        return {"status": value.status_code, "body": _body(value)}
    if isinstance(value, Iterator) or _is_stream(value):
        return assembled([_plain(item) for item in value])
    return _core(value)


def _is_http(value: Any) -> bool:
    """Whether *value* is a response of httpx, requests or their like."""
    return isinstance(getattr(value, "status_code", None), int) and hasattr(value, "content")


def _body(response: Any) -> Json:
    try:
        return _plain(response.json())
    except ValueError:
        return bytes_as_json(response.content)


def _is_stream(value: Any) -> bool:
    """Whether *value* is a stream of an SDK, which can be read once."""
    return hasattr(value, "response") and hasattr(type(value), "__iter__")


def _is_failure(value: Any) -> bool:
    """Whether *value* is what `pytest.raises` gives."""
    return isinstance(getattr(value, "value", None), BaseException) and hasattr(value, "tb")


def _core(value: Any, *, in_key: bool = False) -> Json:
    from pydantic_core import PydanticSerializationError, from_json, to_json

    try:
        found = from_json(to_json({value: None} if in_key else value, inf_nan_mode="strings"))
        return next(iter(found)) if in_key else found
    except (PydanticSerializationError, ValueError) as error:
        raise _Unknown(str(error)) from error
