"""A pytest plugin for vcrpy's own tests: `VCR.use_cassette` with our engine behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator, ExitStack
from functools import partial, wraps
from typing import Any

import vcr
from vcr.config import VCR

from replay.cassettes.vcr_engine import use_cassette

_theirs = VCR.use_cassette


class _Opened(ContextDecorator):
    """A context manager and a decorator, of coroutines too, as vcrpy's is."""

    def __init__(self, opening: Callable[[], AbstractContextManager[Any]]) -> None:
        self._opening = opening
        self._open = ExitStack()

    def __enter__(self) -> Any:
        return self._open.enter_context(self._opening())

    def __exit__(self, *error: Any) -> Any:
        return self._open.__exit__(*error)

    def _recreate_cm(self) -> _Opened:
        return _Opened(self._opening)

    def __call__(self, function: Any) -> Any:
        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @wraps(function)
        async def called(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await function(*args, **kwargs)

        return called


def _ours(recorder: Any, path: Any = None, **settings: Any) -> Any:
    if not isinstance(path, str):  # a decorator without arguments takes its name from the test
        return _theirs(recorder, path, **settings)
    opening = partial(use_cassette, rewrites=False, passed=lambda: True, **settings)
    return _Opened(partial(opening, recorder, path))


VCR.use_cassette = _ours
vcr.use_cassette = vcr.default_vcr.use_cassette
