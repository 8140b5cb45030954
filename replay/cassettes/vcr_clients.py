"""requests, aiohttp, botocore, httplib2, tornado: vcrpy's patches, routed to our tapes."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import ModuleType
from typing import Any
from unittest import mock

from replay.cassettes.vcr_bridge import Route, RoutedCassette
from replay.cassettes.vcr_patch import Builder, show, vcr

_GROUPS = {
    "aiohttp": ("aiohttp",),
    "botocore.awsrequest": ("boto3",),
    "httplib2": ("httplib2",),
    "tornado.simple_httpclient": ("tornado",),
    "urllib3": ("requests", "urllib3"),
}
"""
Which of vcrpy's patches are for a module.

None for httpx, which has a hook of its own. vcrpy's patch of http.client makes it swap every
patched class back for a moment on each connection, and other threads escape through that window.
"""


@contextmanager
def vcr_patched(client: ModuleType, route: Route) -> Iterator[None]:
    """Put vcrpy's patches of *client* in place, once for all tapes."""
    show(client)
    skipped = set(vcr.patch.PATCHER_NAMES) - set(_GROUPS[client.__name__])
    with ExitStack() as stack:
        stack.enter_context(_window_closed())
        for patcher in _Builder(RoutedCassette(route, tuple(skipped))).build():
            stack.enter_context(patcher)
        stack.enter_context(_unlogged())
        yield


@contextmanager
def real_connections() -> Iterator[None]:
    """Give urllib3's own classes to those who import them, to make classes of their own."""
    real = {
        "HTTPConnection": vcr.patch._connHTTPConnection,
        "HTTPSConnection": vcr.patch._connHTTPSConnection,
        "VerifiedHTTPSConnection": vcr.patch._VerifiedHTTPSConnection,
    }
    with mock.patch.multiple(vcr.patch.conn, **real):
        yield


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep vcrpy from logging: it names requests and responses as they are, credentials and all."""
    known = logging.root.manager.loggerDict.items()
    loggers = [found for name, found in known if name.partition(".")[0] == "vcr"]
    silenced = [x for x in loggers if isinstance(x, logging.Logger) and not x.disabled]
    for logger in silenced:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in silenced:
            logger.disabled = False


class _Builder(Builder):
    """vcrpy's patches, which tell of an answer that never came, and tee one that comes."""

    def _build_cassette_subclass(self, base_class: type) -> type:
        stub: Any = super()._build_cassette_subclass(base_class)
        if hasattr(stub, "getresponse"):
            from replay.cassettes.urllib3_hook import told

            told(stub)
        built: type = stub
        return built

    def _aiohttp(self) -> Iterator[AbstractContextManager[Any]]:
        from replay.cassettes.aiohttp_hook import aiohttp_patched

        yield aiohttp_patched(self._cassette, vcr.patch._AiohttpClientSessionRequest)


@contextmanager
def _window_closed() -> Iterator[None]:
    """
    Keep vcrpy from unpatching live classes while it opens a connection.

    It does so because http.client's classes find their base by a module global that vcrpy replaces;
    as we leave http.client alone, there is nothing to put back.
    """
    real = vcr.patch.force_reset
    originals = (http.client.HTTPConnection, http.client.HTTPSConnection)

    def force_reset() -> AbstractContextManager[None]:
        now = (http.client.HTTPConnection, http.client.HTTPSConnection)
        reset: AbstractContextManager[None] = nullcontext() if now == originals else real()
        return reset

    vcr.patch.force_reset = force_reset
    try:
        yield
    finally:
        vcr.patch.force_reset = real
