"""
Our engine behind `@pytest.mark.vcr`: vcrpy's cassettes and settings, our interception and look-up.

Matching, filters, record modes and the form of files stay vcrpy's. What changes: requests are
routed by context, streams are teed, look-ups do not slow down with the size of the cassette,
threads do not escape, a cassette that is recorded anew is replaced only at the end, whole, and what
did not change in one stays as it is.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vcr.cassette import Cassette
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.matchers import body as match_body
from vcr.matchers import raw_body as match_raw_body
from vcr.matchers import requests_match
from vcr.persisters.filesystem import FilesystemPersister
from vcr.record_mode import RecordMode
from vcr.request import Request as VcrRequest

from replay.canonical import canonical_body, canonical_url
from replay.cassettes.routing import using
from replay.cassettes.tape import Take, Tape
from replay.cassettes.vcr_bridge import model_request, vcr_form, vcr_response
from replay.cassettes.vcr_files import SafePersister
from replay.model import Interaction, Request

_OWN_ARGUMENTS = ("path_transformer", "func_path_generator", "record_on_exception")


class IndexedCassette(Cassette):  # type: ignore[misc]
    """A vcrpy cassette that finds an interaction by its key, not by trying one after the other."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._by_body = any(m in (match_body, match_raw_body) for m in self._match_on)
        self._buckets: dict[Any, list[int]] = defaultdict(list)
        self._indexed = 0

    def _responses(self, request: VcrRequest) -> Iterator[tuple[int, Any]]:
        """List what matches: from the bucket of the request, or, if nothing does, from them all."""
        sent = self._before_record_request(request)
        found = False
        for index in self._waiting(sent):
            stored, response = self.data[index]
            if self._same(sent, stored):
                found = True
                yield index, response
        if not found:
            yield from super()._responses(request)

    def _same(self, sent: VcrRequest, stored: VcrRequest) -> bool:
        """Compare as vcrpy does, but for one thing: no body is the same as an empty one."""
        match_on = self._match_on
        if not sent.body and not stored.body:
            match_on = [m for m in match_on if m not in (match_body, match_raw_body)]
        return bool(requests_match(sent, stored, match_on))

    def _waiting(self, sent: VcrRequest) -> list[int]:
        for index in range(self._indexed, len(self.data)):
            self._buckets[self._bucket(self.data[index][0])].append(index)
        self._indexed = len(self.data)
        bucket = self._buckets[self._bucket(sent)]
        if not self.allow_playback_repeats:
            while bucket and self.play_counts[bucket[0]]:
                bucket.pop(0)
        return bucket

    def _bucket(self, request: VcrRequest) -> Any:
        asked = model_request(request)
        return asked.method, canonical_url(asked.url), self._by_body and canonical_body(asked)


class VcrTape(Tape):
    """A tape whose recording is a vcrpy cassette."""

    def __init__(self, cassette: IndexedCassette, pace: float = 0.0) -> None:
        super().__init__(records=not cassette.write_protected, ignore_hosts=(), pace=pace)
        self._cassette = cassette
        self._cassette_lock = threading.RLock()

    def wants(self, request: Request) -> bool:
        """Whether vcrpy's filters leave *request* to the cassette."""
        return self._cassette.filter_request(_vcr_request(request)) is not None

    def answer(self, request: Request) -> Interaction | None:
        """
        Play what the cassette has for *request*; None when it is to be sent.

        Raises:
            CannotOverwriteExistingCassetteException: as vcrpy does, when it may not be sent.

        """
        sent = _vcr_request(request)
        with self._cassette_lock:
            if self._cassette.can_play_response_for(sent):
                played = self._cassette.play_response(sent)
                return Interaction(request, vcr_response(played))
            if self._cassette.write_protected:
                raise CannotOverwriteExistingCassetteException(
                    cassette=self._cassette, failed_request=sent
                )
        return None

    def keep(self, take: Take, interaction: Interaction) -> None:
        """Append to the cassette; what failed is not recorded, as in vcrpy."""
        with self._lock:
            if self._open.pop(take, None) is None:
                return
        if interaction.failure or not interaction.response:
            return
        asked = take.origin or _vcr_request(interaction.request)
        with self._cassette_lock:
            self._cassette.append(asked, vcr_form(interaction.response))


@contextmanager
def use_cassette(
    vcr: Any, name: str, *, rewrites: bool, passed: Callable[[], bool], **settings: Any
) -> Iterator[IndexedCassette]:
    """
    Open the cassette *name* as `vcr.use_cassette` does, with our engine.

    With *rewrites*, everything is recorded anew, and saved only if *passed* says so at the end.
    """
    merged = vcr.get_merged_config(path=name, **settings)
    transform = merged.get("path_transformer")
    merged["path"] = transform(merged["path"]) if transform else merged["path"]
    if merged["persister"].save_cassette is FilesystemPersister.save_cassette:
        merged["persister"] = SafePersister(merged["persister"])
    if rewrites:
        merged["record_mode"] = RecordMode.NEW_EPISODES
    keeps_failed = merged["record_on_exception"] and not rewrites
    own = {key: value for key, value in merged.items() if key not in _OWN_ARGUMENTS}
    cassette = IndexedCassette(**own) if rewrites else IndexedCassette.load(**own)
    failed = False
    try:
        with using(VcrTape(cassette)):
            yield cassette
    except BaseException:
        failed = True
        raise
    finally:
        if keeps_failed or (not failed and (passed() or not rewrites)):
            cassette._save()


def _vcr_request(request: Request) -> VcrRequest:
    headers: dict[str, str] = dict(request.headers)
    return VcrRequest(request.method, request.url, request.body, headers)
