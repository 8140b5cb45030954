"""Entrypoints: `package.module:function`, sync or async, called with JSON inputs."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from replay.canonical import parsed_json
from replay.config import Config
from replay.engine.apps import is_app, sender
from replay.engine.own import check_function, check_module
from replay.errors import BadEntrypoint, ForeignEntrypoint, NotJson
from replay.model import Json

Function = Callable[..., Any]


def load_entrypoint(name: str, config: Config | None = None) -> Function:
    """
    Import what *name* points at; an ASGI app becomes the function that sends it one request.

    A name that ends in `()` is that of a function that makes the app. With *config*, it has to be
    code of that project.

    Raises:
        BadEntrypoint: it is not written as it should be, or not there, or not callable.
        ForeignEntrypoint: it is not the project's own code.

    """
    module_name, colon, attribute = name.removesuffix("()").partition(":")
    if not (module_name and colon and attribute):
        raise BadEntrypoint(name, "it is not written package.module:function")
    try:
        if config:
            check_module(name, module_name, config)
        found: Any = importlib.import_module(module_name)
    except ForeignEntrypoint:
        raise
    except Exception as error:
        raise BadEntrypoint(name, f"{type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadEntrypoint(name, f"{module_name} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise BadEntrypoint(name, "it is not callable")
    if config:
        check_function(name, found, config)
    function: Function = found() if name.endswith("()") else found
    return sender(function) if is_app(function) else function


def entrypoint_name(function: Function) -> str:
    """Write *function* as `load_entrypoint` reads it."""
    return f"{importable(function.__module__)}:{function.__qualname__}"


def importable(module: str) -> str:
    """Name *module* as a replay imports it: a script by its file."""
    if module != "__main__":
        return module
    return Path(getattr(sys.modules["__main__"], "__file__", None) or module).stem


def check_inputs(name: str, function: Function, inputs: dict[str, Json]) -> None:
    """Raise `BadEntrypoint` when *function* does not take *inputs* as keyword arguments."""
    try:
        inspect.signature(function).bind(**inputs)
    except TypeError as error:
        raise BadEntrypoint(name, str(error)) from error


def run_entrypoint(function: Function, inputs: dict[str, Json]) -> Any:
    """Call *function*; an async one gets an event loop of its own."""
    value = function(**inputs)
    if inspect.isawaitable(value):
        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Any) -> Any:
    return await value


def read_inputs(path: Path) -> dict[str, Json]:
    """
    Read the inputs of an entrypoint: a JSON object.

    Raises:
        NotJson: the file cannot be read as one.

    """
    try:
        value = parsed_json(path.read_text("utf-8"))
    except OSError as error:
        why = f"it cannot be read: {error.strerror}"
        raise NotJson(f"The input file {path}", why) from error
    except ValueError as error:
        raise NotJson(f"The input file {path}", str(error)) from error
    if not isinstance(value, dict):
        raise NotJson(f"The input file {path}", "it is not an object of keyword arguments")
    return value
