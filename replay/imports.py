"""Stepping in when a library is imported: to act right after it, or to let it do without others."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Execute = Callable[[ModuleType, Callable[[], None]], None]


@contextmanager
def around_import(names: Collection[str], execute: Execute) -> Iterator[None]:
    """
    Leave it to *execute* to run each of the modules *names* that is imported in the block.

    It is given the module, still empty, and what to call to have its code run.
    """
    finder = _Finder(names, execute)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if sys.meta_path:  # None when the interpreter ends
            sys.meta_path.remove(finder)


@contextmanager
def sparing(module: str, others: Collection[str]) -> Iterator[None]:
    """
    Let *module*, if it is imported in the block, take the packages *others* for not installed.

    For libraries that import all that they could work with. Its functions find everything.
    """

    def execute(found: ModuleType, run: Callable[[], None]) -> None:
        own = without(others)
        vars(found)["__builtins__"] = own
        try:
            run()
        finally:
            own["__import__"] = builtins.__import__

    with around_import((module,), execute):
        yield


def without(others: Collection[str]) -> dict[str, Any]:
    """Make builtins for a module that is to import none of the packages *others*."""

    def import_(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        package = name.partition(".")[0]
        level = args[3] if len(args) > 3 else kwargs.get("level", 0)
        if not level and package in others:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return builtins.__import__(name, *args, **kwargs)

    return vars(builtins) | {"__import__": import_}


def imported(name: str) -> ModuleType | None:
    """Give the module *name* if it is imported, and not just being so."""
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):
        return None
    return module


class _Finder(MetaPathFinder):
    """Finds *names* where others find them, and has them executed by *execute*."""

    def __init__(self, names: Collection[str], execute: Execute) -> None:
        self._names, self._execute = names, execute

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)  # finders from before Python 3.4 have none
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec:
                if spec.loader:
                    spec.loader = _Loader(spec.loader, self._execute)
                return spec
        return None


class _Loader(Loader):
    """Stands for the real loader of a module until that is executed."""

    def __init__(self, real: Loader, execute: Execute) -> None:
        self._real, self._execute = real, execute

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._real
        if module.__spec__:
            module.__spec__.loader = self._real
        self._execute(module, lambda: self._real.exec_module(module))
