"""The words of the product as values: frozen, free of ids and of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""What `json.loads` returns."""

Further: TypeAlias = Literal["", "free-running", "teacher-forced"]
"""How a recording of a further model version was made; empty where the program chose its models."""

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Name and value pairs in wire order; a name may stand more than once."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the program sent it, its body in full."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a response body: *size* in bytes, *at* in seconds after the request was sent."""

    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; *chunks* cut the body where the server's pieces ended."""

    status: int
    reason: str = ""
    headers: Headers = ()
    body: bytes = b""
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, as `package.module.Class` and its message."""

    kind: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def is_cancellation(self) -> bool:
        """Whether the program's own loop ended it: by a time-out, or for a faster sibling."""
        return self.kind == "asyncio.exceptions.CancelledError"


@dataclass(frozen=True, slots=True)
class Interaction:
    """
    One request and its response, *started* and *elapsed* in seconds.

    *started* counts from the beginning of the recording. A request that got no answer has a
    *failure* and no response; a stream that broke has both.
    """

    request: Request
    response: Response | None = None
    failure: Failure | None = None
    started: float = 0.0
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    Everything that was pinned or observed when a recording was made.

    *clock* is the instant at which the recorded program's clock started, in UTC; with *pinned* the
    program saw that clock and *seed*, otherwise the host's. *further* tells how another model than
    the program's own was asked, if one was.
    """

    clock: str
    pinned: bool
    seed: int
    models_requested: tuple[str, ...] = ()
    models_answered: tuple[str, ...] = ()
    sampling: dict[str, Json] = field(default_factory=dict)
    prompts: str = ""
    tools: str = ""
    code_revision: str = ""
    code_dirty: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    python: str = ""
    recorder: str = ""
    key_schema: int = 1
    further: Further = field(default="", metadata={"unless_empty": True})


@dataclass(frozen=True, slots=True)
class Recording:
    """One immutable run: its interactions in the order they were sent, and how it ended."""

    manifest: Manifest
    interactions: tuple[Interaction, ...] = ()
    output: Json = None
    failure: Failure | None = None
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """
    One case: an entrypoint (`package.module:function`), its JSON inputs, its recordings.

    One that was imported has no entrypoint: there is nothing to run. *tenant* is the namespace it
    belongs to, part of its identity; *tags* are for people to find it by.
    """

    id: str
    entrypoint: str
    inputs: dict[str, Json] = field(default_factory=dict)
    recordings: tuple[Recording, ...] = ()
    tags: tuple[str, ...] = ()
    tenant: str = ""

    @property
    def current(self) -> Recording:
        """
        The recording that a replay uses when none is named.

        It is the newest of those whose models the program chose: a further version is to be named.
        """
        own = [recording for recording in self.recordings if not recording.manifest.further]
        return (own or self.recordings)[-1]


class Kind(StrEnum):
    """How a replay ended; see `Outcome`."""

    IDENTICAL = "IDENTICAL"
    EQUIVALENT = "EQUIVALENT"
    DIVERGED = "DIVERGED"
    UNPLAYED = "UNPLAYED"
    STALE = "STALE"
    MISSING = "MISSING"
    UNHERMETIC = "UNHERMETIC"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where what is now differs from what was recorded; *path* reads like `input[0]`."""

    path: str
    recorded: Json
    now: Json


Change: TypeAlias = tuple[str, ...]
"""What sort of change a difference is: of the prompt, tools, model, parameters, address or body."""


@dataclass(frozen=True, slots=True)
class Closest:
    """
    The recorded request nearest to one that missed; *step* counts from 1.

    *out_of_order* is the step at which the very request is recorded, where strict order refused it.
    """

    step: int
    differences: tuple[Difference, ...]
    played: bool = False
    change: Change = ()
    out_of_order: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a replay ended, and the facts a person needs to act on it.

    *step* is the interaction at which it diverged, counted from 1, or 0 when that is not a matter
    of one step. *what* is `request` or `output` for DIVERGED; for FAILED it is `crash` or `timeout`
    where the program did not get to its end; otherwise empty.
    """

    kind: Kind
    step: int = 0
    what: str = ""
    detail: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether today's code does what was recorded."""
        return self.kind in (Kind.IDENTICAL, Kind.EQUIVALENT)

    @property
    def exit_code(self) -> int:
        """0 agreed, 1 drifted, 2 could not tell."""
        if self.agreed:
            return 0
        return 2 if self.kind in (Kind.STALE, Kind.MISSING, Kind.UNHERMETIC) else 1
