"""
vcrpy's patches, loaded without the clients that they are for.

vcrpy imports every client that is installed, 200 ms of them, to keep their originals. Here it gets
to see a client when the program has imported it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from replay.imports import around_import, imported, sparing, without

_CLIENTS = frozenset(
    ("aiohttp", "botocore", "httplib2", "httpx", "httpx2", "requests", "tornado", "urllib3")
)
_SEEN_AT = {"botocore": "botocore.awsrequest", "tornado": "tornado.simple_httpclient"}
_watching = ExitStack()

__all__ = ["Builder", "show", "vcr"]

with sparing("vcr.patch", _CLIENTS):
    import vcr.patch


@cache
def show(module: ModuleType) -> None:
    """Let vcrpy see the client of *module*, as if it had been there before."""
    spec = find_spec("vcr.patch")
    loader: Any = spec.loader if spec else None
    client = module.__name__.partition(".")[0]
    fresh: dict[str, Any] = {"__name__": "vcr.patch", "__package__": "vcr"}
    fresh["__builtins__"] = without(_CLIENTS - {client})
    exec(loader.get_code("vcr.patch"), fresh)  # noqa: S102 - vcrpy's own, once more
    known = vars(vcr.patch)
    known.update({name: value for name, value in fresh.items() if known.get(name) is None})


def _import(module: ModuleType, run: Callable[[], None]) -> None:
    run()
    show(module)


class Builder(vcr.patch.CassettePatcherBuilder):  # type: ignore[misc]
    """vcrpy's patches, of the clients that are there."""

    build = vcr.patch.CassettePatcherBuilder.build


def _build_all(builder: Any) -> Any:
    """Build vcrpy's patches for a program that uses it by itself: all clients come first."""
    for client in _CLIENTS:
        with suppress(ImportError):
            import_module(_SEEN_AT.get(client, client))
    return Builder.build(builder)


vcr.patch.CassettePatcherBuilder.build = _build_all

for _client in _CLIENTS:
    if _found := imported(_SEEN_AT.get(_client, _client)):
        show(_found)
_watching.enter_context(around_import({_SEEN_AT.get(c, c) for c in _CLIENTS}, _import))
