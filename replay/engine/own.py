"""
Whose code an entrypoint is: an episode names what is run, and may come from a stranger.

What is run has to be the project's own: found under its root, and no library. Importing runs code
too, so a module is looked for before anything of it is imported.
"""

from __future__ import annotations

import sys
import sysconfig
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from types import ModuleType

from replay.config import Config
from replay.engine.apps import is_app
from replay.errors import ForeignEntrypoint

_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))
_INSTALLED = frozenset(("site-packages", "dist-packages", ".replay"))


def check_module(entrypoint: str, module: str, config: Config) -> None:
    """
    Raise `ForeignEntrypoint` unless *module* is the project's own, or declared.

    Nothing is imported but the packages that it is in, each when it is known to be the project's.
    """
    if entrypoint in config.entrypoints or _is_declared(module, config):
        return
    for name in accumulate(module.split("."), "{}.{}".format):
        spec = find_spec(name)
        if spec and not _is_namespace(spec) and not _is_own(spec, config.root):
            place = spec.origin if spec.has_location else "a part of Python"
            raise ForeignEntrypoint(entrypoint, f"{spec.name} is {place}")


def check_function(entrypoint: str, found: object, config: Config) -> None:
    """
    Raise `ForeignEntrypoint` if *found* is somebody else's, which a module of the project only has.

    An ASGI app is mostly an object of a framework, and the project's all the same.
    """
    home = _home(found)
    if entrypoint in config.entrypoints or _is_declared(home, config) or is_app(found):
        return
    spec = getattr(sys.modules.get(home), "__spec__", None)
    if spec is None or not _is_own(spec, config.root):
        raise ForeignEntrypoint(entrypoint, f"it is of {home or 'no module'}")


def is_library(place: str) -> bool:
    """Whether the module at *place*, a file or `built-in`, is Python's or was installed."""
    return (
        place in ("built-in", "frozen")
        or place.startswith(_LIBRARIES)
        or not _INSTALLED.isdisjoint(Path(place).parts)
    )


def _is_own(spec: ModuleSpec, root: Path) -> bool:
    if not spec.has_location or spec.origin is None:
        return False
    place, root = Path(spec.origin).resolve(), root.resolve()
    if not place.is_relative_to(root) or str(place).startswith(_LIBRARIES):
        return False
    return _INSTALLED.isdisjoint(place.relative_to(root).parts)


def _is_namespace(spec: ModuleSpec) -> bool:
    """Whether it is a package without a file, of which nothing can be executed."""
    return spec.origin is None and spec.submodule_search_locations is not None


def _is_declared(module: str, config: Config) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in config.entrypoints)


def _home(found: object) -> str:
    """Name the module that *found* is of; a method is of its object's class."""
    if isinstance(found, partial):
        return _home(found.func)
    if isinstance(found, ModuleType):
        return found.__name__
    owner = getattr(found, "__self__", None)
    if owner is not None:
        return _home(owner if isinstance(owner, type | ModuleType) else type(owner))
    return getattr(found, "__module__", None) or ""
