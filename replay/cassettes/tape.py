"""The tape: interactions indexed by request key, which answer requests or are being recorded."""

from __future__ import annotations

import functools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate

from replay.canonical import canonical_url
from replay.cassettes.closest import closest
from replay.cassettes.coding import decoded, pieces
from replay.cassettes.index import Index
from replay.cassettes.matching import Matcher, change_of
from replay.cassettes.rebinding import Bindings
from replay.cassettes.redaction import Redactor
from replay.config import TELEMETRY_HOSTS
from replay.errors import CassetteMiss, Miss
from replay.model import (
    Change,
    Chunk,
    Closest,
    Difference,
    Failure,
    Headers,
    Interaction,
    Request,
    Response,
)

Clock = Callable[[], float]
Listener = Callable[[Interaction], None]
Room = Callable[[int], bool]

_OVERHEAD = 2_000
"""Bytes that an interaction takes in memory besides its bodies: objects, headers, address."""


@dataclass(frozen=True, slots=True)
class Play:
    """One answer given: *index* into the tape's interactions; *verbatim* unless it was rebound."""

    index: int
    verbatim: bool = True


def _nobody(_: Interaction) -> None:
    """Listen to nothing."""


def _endless(_: int) -> bool:
    """Have room for anything."""
    return True


def _as_it_is(request: Request) -> Request:
    return request


class Tape:
    """
    Answer requests from *interactions* and, with *records*, take down the others as they happen.

    Matching is exact, after the rules of *matcher*. Equal requests are answered first in, first
    out, each recorded answer once; the order across different requests is free, unless the rules
    make it strict. With *adopts*, a request that misses is answered by the closest one that is
    still waiting, and noted in `adopted`. *pace* replays the gaps of streams: 0 at once, 1 as
    recorded.

    *source* and *command* go into the error of a miss: where the recording lies, and what to run if
    the change is intended. *heard* is told of every interaction when its response has ended, played
    or recorded. *room* is asked before so many bytes more are held; once it says no, the tape is
    void: it forgets what it recorded, and records nothing more. *outgoing* may change a request
    before it is matched or sent; doing so again changes nothing. `asked` lists what the tape was
    asked for.
    """

    def __init__(
        self,
        interactions: Sequence[Interaction] = (),
        *,
        records: bool = False,
        source: str = "the recording",
        command: str = "",
        adopts: bool = False,
        matcher: Matcher | None = None,
        redactor: Redactor | None = None,
        pace: float = 0.0,
        ignore_hosts: Sequence[str] = TELEMETRY_HOSTS,
        heard: Listener = _nobody,
        room: Room = _endless,
        outgoing: Callable[[Request], Request] = _as_it_is,
        clock: Clock = time.perf_counter,
    ) -> None:
        self.interactions = tuple(interactions)
        self.records = records
        self.plays: list[Play] = []
        self.misses: list[Miss] = []
        self.asked: list[Request] = []
        self.outgoing = outgoing
        self.adopted: dict[int, Request] = {}
        self.bindings = Bindings()
        self.pace = pace
        self._adopts = adopts
        self._matcher = matcher or Matcher()
        self._source = source
        self._command = command
        self._redactor = redactor or Redactor()
        if records or adopts:
            self._redactor.follow(self.interactions)
        self._ignore_hosts = _pattern(tuple(ignore_hosts))
        self._heard = heard
        self._room = room
        self._is_void = self._is_closed = False
        self._clock = clock
        self._opened = clock()
        self._lock = threading.Lock()
        self._recorded: dict[int, Interaction] = {}
        self._open: dict[Take, int] = {}
        self._sent = 0
        self._index = Index(self.interactions, self._matcher, self._redactor)

    @property
    def recorded(self) -> tuple[Interaction, ...]:
        """What was recorded, in the order in which the requests were sent."""
        with self._lock:
            return tuple(interaction for _, interaction in sorted(self._recorded.items()))

    @property
    def redactor(self) -> Redactor:
        """What replaces the secrets of this tape, and knows those it has met."""
        return self._redactor

    @property
    def unplayed(self) -> tuple[int, ...]:
        """Indices of the interactions that answered nothing."""
        return tuple(i for i in range(len(self.interactions)) if i not in self._index.taken)

    @property
    def is_over(self) -> bool:
        """Whether what is sent now is recorded no more: the run has ended, or there is no room."""
        return self.records and (self._is_closed or self._is_void)

    @property
    def is_recording(self) -> bool:
        """Whether a request is under way that is being recorded."""
        return bool(self._open)

    def moved(self) -> dict[int, tuple[Change, tuple[Difference, ...]]]:
        """Tell of every adopted request, by index, how it differs from the recorded one."""
        found = {
            index: self._matcher.differences(self._index.requests[index], sent)
            for index, sent in self.adopted.items()
        }
        return {index: (change_of(there), there) for index, there in found.items()}

    def wants(self, request: Request) -> bool:  # noqa: ARG002 - others choose
        """Whether *request* is for this tape; otherwise it is sent as if there were none."""
        return True

    def ignores(self, url: str) -> bool:
        """Whether traffic to *url* is about the program (telemetry), not of it."""
        host = canonical_url(url).partition("://")[2].partition("/")[0].partition(":")[0]
        return self._ignore_hosts.match(host) is not None

    def answer(self, request: Request) -> Interaction | None:
        """
        Take the recorded interaction for *request*; None when it has to be recorded live.

        Raises:
            CassetteMiss: it is not there, and this tape does not record.

        """
        with self._lock:
            self.asked.append(request)
            index = self._next(request)
            if index is None and self._adopts:
                index = self._adopt(self._redactor.request(request))
            if index is not None:
                return self._play(index)
            if self.records and self.may_send(request):
                return None
            miss = self._miss(self._redactor.request(request))
            self.misses.append(miss)
        raise miss

    def may_send(self, sent: Request) -> bool:  # noqa: ARG002 - for those who decide by it
        """Whether *sent*, which is not recorded, may be sent live."""
        return True

    def on_the_wire(self, request: Request) -> Request:
        """Give what is sent in place of *request*, which is matched and recorded as it is."""
        return request

    def pieces(self, response: Response) -> Iterator[tuple[float, bytes]]:
        """Give each chunk of a played *response* with the seconds to wait for it."""
        before = 0.0
        for chunk, data in pieces(response.body, response.chunks):
            yield max(chunk.at - before, 0.0) * self.pace, data
            before = chunk.at

    def ended(self, interaction: Interaction) -> None:
        """Hear that the program has got all it wants of a played response."""
        self._heard(interaction)

    def take(self, request: Request) -> Take:
        """Begin to record *request*, which is being sent now."""
        take = Take(self, request, self._now())
        self.holds(len(request.body) + _OVERHEAD)
        with self._lock:
            self._sent += 1
            self._open[take] = self._sent
        return take

    def close(self) -> None:
        """
        End what is still open.

        A response that was never read to its end is kept as far as it was; a request whose answer
        was never seen is kept as a failure.
        """
        self._is_closed = True
        for take in list(self._open):
            take.end(None if take.is_answered else ConnectionError("the answer was never seen"))

    def holds(self, size: int) -> bool:
        """Tell whether *size* bytes more are kept; if not, for want of room, nothing is."""
        if not self.is_over and not self._room(size):
            self.void()
        return not self.is_over

    def void(self) -> None:
        """Forget what was recorded, and record nothing more."""
        self._is_void = True
        with self._lock:
            self._recorded.clear()
            for take in self._open:
                take.forget()

    def keep(self, take: Take, interaction: Interaction) -> None:
        """File a finished take, once, without its credentials."""
        if self._is_void:
            return
        interaction = self._redactor.interaction(interaction)
        with self._lock:
            number = self._open.pop(take, None)
            if number is None:
                return
            self._recorded[number] = interaction
        self._heard(interaction)

    def since(self, started: float) -> float:
        """Seconds, to 0.1 ms, that passed since *started*."""
        return round(self._now() - started, 4)

    def _now(self) -> float:
        return round(self._clock() - self._opened, 4)

    def _next(self, sent: Request) -> int | None:
        """Find the first waiting interaction that answers *sent* and whose tokens agree."""
        for index in self._index.find(sent):
            if self._matcher.strict and index != len(self.plays):
                continue
            if self._agree(index, sent):
                return index
        return None

    def _agree(self, index: int, sent: Request) -> bool:
        """Whether what is volatile in *sent* can stand for what was recorded."""
        tokens = self._matcher.tokens
        if not (tokens(self.interactions[index].request) or tokens(sent)):
            return True
        there, now = self._index.requests[index], self._redactor.request(sent)
        return self.bindings.unify(tokens(there), tokens(now))

    def _play(self, index: int) -> Interaction:
        interaction = self.interactions[index]
        response = interaction.response
        bound = self.bindings.response(response) if response else None
        self._index.take(index)
        self.plays.append(Play(index, verbatim=bound is response))
        return interaction if bound is response else replace(interaction, response=bound)

    def _adopt(self, sent: Request) -> int | None:
        found = self._closest(sent)
        if found is None or found.played:
            return None
        index = found.step - 1
        self.adopted[index] = sent
        return index

    def _miss(self, sent: Request) -> CassetteMiss:
        due = self._in_order(sent) if self._matcher.strict else None
        return CassetteMiss(
            str(sent),
            self._source,
            due or self._closest(sent) or self._closest(sent, elsewhere=True),
            self._command,
        )

    def _closest(self, sent: Request, *, elsewhere: bool = False) -> Closest | None:
        return closest(sent, self._index, self._matcher, elsewhere=elsewhere)

    def _in_order(self, sent: Request) -> Closest | None:
        """Tell which interaction was due, where strict order is all that *sent* fails on."""
        waiting = next(self._index.find(sent), None)
        due = len(self.plays)
        if waiting is None or due >= len(self.interactions):
            return None
        found = self._matcher.differences(self._index.requests[due], sent)
        return Closest(due + 1, found, change=change_of(found), out_of_order=waiting + 1)


@functools.cache
def _pattern(hosts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, hosts)) or r"(?!)")


class Take:
    """One interaction while it is being recorded; *origin* is its request as the client had it."""

    def __init__(self, tape: Tape, request: Request, started: float) -> None:
        self._tape = tape
        self.request = request
        self.origin: object = None
        self._started = started
        self._response: Response | None = None
        self._chunks: list[Chunk] = []
        self._data: list[bytes] = []
        self._done = False

    @property
    def is_answered(self) -> bool:
        """Whether the head of a response has come."""
        return self._response is not None

    def answered(self, status: int, reason: str, headers: Headers) -> None:
        """Note the head of the response."""
        self._response = Response(status, reason, headers)

    def chunk(self, data: bytes, *, continues: bool = False) -> None:
        """Note a piece of the body, as and when it arrived; or what *continues* the last one."""
        if self._done or not data or not self._tape.holds(len(data)):
            return
        before = self._chunks.pop().size if continues and self._chunks else 0
        self._chunks.append(Chunk(before + len(data), self._tape.since(self._started)))
        self._data.append(bytes(data))

    def forget(self) -> None:
        """Let go of what was noted of the body."""
        self._chunks.clear()
        self._data.clear()

    def end(self, error: BaseException | None = None) -> None:
        """File the interaction: complete, given up by the program, or broken by *error*."""
        if self._done:
            return
        self._done = True
        interaction = Interaction(
            request=self.request,
            response=self._whole() if self._response else None,
            failure=failure(error) if error else None,
            started=self._started,
            elapsed=self._tape.since(self._started),
        )
        self._tape.keep(self, interaction)

    def left(self, error: BaseException | None = None) -> None:
        """
        End, as the program lets go of the answer.

        Not if it is a generator that is thrown away: the collector does so at any time, while a
        lock of the tape is held too. Then it ends with the tape.
        """
        if not isinstance(sys.exc_info()[1], GeneratorExit):
            self.end(error)

    def _whole(self) -> Response | None:
        if self._response is None:
            return None
        body = b"".join(self._data)
        return decoded(replace(self._response, body=body, chunks=tuple(self._chunks)))


def pause(seconds: float) -> None:
    """Wait for a piece of a played response; not by time.sleep, which a pinned clock owns."""
    if seconds:
        threading.Event().wait(seconds)


async def pause_async(seconds: float) -> None:
    """Wait as `pause` does, in an event loop."""
    import asyncio  # only where the program has one

    if seconds:
        await asyncio.wait([asyncio.Future()], timeout=seconds)


def failure(error: BaseException) -> Failure:
    """Describe *error* so that the same one can be raised again."""
    return Failure(f"{type(error).__module__}.{type(error).__qualname__}", str(error))
