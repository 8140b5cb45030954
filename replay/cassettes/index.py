"""The index of a tape: which recorded interactions can answer a request."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain

from replay.cassettes.matching import Matcher
from replay.cassettes.redaction import Redactor
from replay.model import Interaction, Request


class Index:
    """
    *interactions* by what was asked: byte for byte, and by the key that *matcher* derives.

    Most requests are sent as they were recorded, and found without being read. The keys of all
    interactions are derived when the first other request comes. Each is found until it was `take`n.
    """

    def __init__(
        self, interactions: Sequence[Interaction], matcher: Matcher, redactor: Redactor
    ) -> None:
        self.taken: set[int] = set()
        self._interactions = interactions
        self._matcher = matcher
        self._redactor = redactor
        self._by_bytes: dict[tuple[str, str, bytes], deque[int]] = defaultdict(deque)
        for index, interaction in enumerate(interactions):
            self._by_bytes[_bytes(interaction.request)].append(index)

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """
        What was asked, in order, without credentials.

        What is sent is compared without its own, so what was recorded has to be as well: a cassette
        of another tool may still hold them.
        """
        return tuple(self._redactor.request(i.request) for i in self._interactions)

    def find(self, sent: Request) -> Iterator[int]:
        """List what was not taken yet and answers *sent*: the same bytes first, else in order."""
        if len(self.taken) == len(self._interactions):
            return iter(())
        same = self._waiting(self._by_bytes.get(_bytes(sent)))
        return chain(same, self._same_key(sent))

    def take(self, index: int) -> None:
        """Let the interaction *index* be found no more."""
        self.taken.add(index)

    def _same_key(self, sent: Request) -> Iterator[int]:
        key = self._matcher.key(self._redactor.request(sent))
        yield from self._waiting(self._by_key.get(key))

    @cached_property
    def _by_key(self) -> dict[str, deque[int]]:
        found: dict[str, deque[int]] = defaultdict(deque)
        for index, request in enumerate(self.requests):
            found[self._matcher.key(request)].append(index)
        return found

    def _waiting(self, queue: deque[int] | None) -> Iterator[int]:
        while queue and queue[0] in self.taken:
            queue.popleft()
        return iter([index for index in queue or () if index not in self.taken])


def _bytes(request: Request) -> tuple[str, str, bytes]:
    return request.method, request.url, request.body
