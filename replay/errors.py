"""What can go wrong, each as a sentence that ends in the next command."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, dataclass_transform

from replay.contrast import difference_lines
from replay.visible import inline, uncommanding, visible
from replay.wording import counted

if TYPE_CHECKING:
    from replay.model import Closest, Difference

_SHOWN = 5
_SHOWN_NAMES = 20
_ELSEWHERE = (
    "Only the address differs: is a variable that names it, such as OPENAI_BASE_URL, what it was?",
    "A golden test sets it; for episodes: environment = [NAME] in [tool.replay], before recording.",
)


@dataclass_transform(eq_default=False)
class _Told(BaseException):
    """
    What is told facts: its annotated fields, by place or by name, as a dataclass is.

    All of them are its `args`, so that it pickles. Real dataclasses would be 5 ms of every start.
    """

    _facts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._facts = (*cls._facts, *cls.__annotations__)

    def __init__(self, *given: object, **named: object) -> None:
        if len(given) > len(self._facts) or named.keys() - set(self._facts[len(given) :]):
            raise TypeError(f"{type(self).__name__} is told: {', '.join(self._facts)}")
        vars(self).update(zip(self._facts, given, strict=False), **named)
        super().__init__(*(getattr(self, fact) for fact in self._facts))


class ReplayError(_Told, Exception):
    """Base of what a caller may handle; the command turns it into exit code 2."""


class ReplayStop(_Told):
    """
    Base of what stops a program under replay.

    Not an `Exception`: a program that answers errors with a retry or a fallback (every provider's
    SDK does) would swallow it and go on as if the network had failed.
    """


class Miss(ReplayStop):
    """The program sent a request that has no answer; `closest` is the nearest that has."""

    @property
    def closest(self) -> Closest | None:
        return None


class CassetteMiss(Miss):
    """The program sent a request that the recording does not hold."""

    request: str
    source: str
    closest: Closest | None = None
    command: str = ""

    def __str__(self) -> str:
        lines = [f"{self.request} is not in {self.source}.", *_closest_lines(self.closest)]
        if self.command:
            lines.append(f"If the change is intended: {self.command}")
        return "\n".join(lines)


class Unhermetic(ReplayStop):
    """The program tried to reach the network, or what may reach it, under replay."""

    address: str
    action: str = "connect to"

    def __str__(self) -> str:
        return (
            f"Under replay, the program tried to {self.action} {self.address}.\n"
            "Nothing was sent: a replay opens no socket. Record the call, or leave it out."
        )


class UnroutedRequest(ReplayStop):
    """A thread without a tape of its own sent a request while several tapes were open."""

    request: str
    tapes: int

    def __str__(self) -> str:
        return (
            f"{self.request} was sent by a thread that belongs to none of the {self.tapes} open "
            "tapes.\nStart the thread's work with contextvars.copy_context().run(...)."
        )


class BudgetSpent(ReplayStop):
    """Recording has cost what it may, or what it costs cannot be told."""

    budget: str
    spent: str
    calls: int
    is_known: bool = True

    def __str__(self) -> str:
        spent = f"${self.spent}" if self.is_known else "an amount that is not known"
        return (
            f"After {counted(self.calls, 'call')}, {spent} of ${self.budget} is spent; no further "
            "one is sent.\nNo recording was made. To allow more: --budget DOLLARS"
        )


class NotRewritten(ReplayStop):
    """A client sends in a way in which its request cannot be changed any more."""

    request: str
    client: str

    def __str__(self) -> str:
        return (
            f"{self.request} is sent by {self.client}, whose requests cannot go to another model.\n"
            "Nothing was sent. Give the model to the program itself, and: replay record --from …"
        )


class CassetteNotRecorded(ReplayError):
    """A golden test has no cassette yet."""

    cassette: str
    command: str

    def __str__(self) -> str:
        return f"{self.cassette} was never recorded.\nRecord it: {self.command}"


class NothingProposed(ReplayError):
    """There is no request change beside a cassette that could be taken over."""

    cassette: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.cassette}: {self.why}.\n"
            "Propose the changed requests of a golden test: pytest TEST --adopt"
        )


class NothingPending(ReplayError):
    """No change that waits for a decision is called that."""

    glob: str
    waiting: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.waiting[:_SHOWN]) or "nothing"
        more = len(self.waiting) - _SHOWN
        also = f" and {more} more" if more > 0 else ""
        said = f"Nothing that waits is called {self.glob!r}. Waiting: {shown}{also}."
        return f"{said}\nSee: replay review"


class NothingToUndo(ReplayError):
    """No decision is left that could be taken back."""

    def __str__(self) -> str:
        return "There is no decision to undo. What waits: replay review"


class NoRevision(ReplayError):
    """git does not know the revision, or this is no repository."""

    revision: str
    why: str

    def __str__(self) -> str:
        return (
            f"git cannot compare with {self.revision!r}: {self.why}.\n"
            "In CI, fetch it first: git fetch --depth=1 origin main:refs/remotes/origin/main"
        )


class NoTraffic(ReplayError):
    """A test asks for what was said, and plays no cassette."""

    def __str__(self) -> str:
        return "There is no transcript without a cassette: mark the test with @pytest.mark.golden."


class UnknownOption(ReplayError):
    """syrupy's filters work on its own serializer, which a golden does not use."""

    def __str__(self) -> str:
        return "golden() takes no matcher, include or exclude: use golden(normalize=[...])."


class NotCollected(ReplayError):
    """pytest could not collect the tests, so nothing can be said of all of them."""

    output: str

    def __str__(self) -> str:
        return f"pytest could not collect the tests:\n{self.output}\nSee: pytest --collect-only"


class Unplayed(ReplayError):
    """A test passed without sending everything that its cassette holds."""

    cassette: str
    steps: tuple[int, ...]
    command: str

    def __str__(self) -> str:
        steps = ", ".join(f"#{step}" for step in self.steps)
        return (
            f"{self.cassette}: {steps} answered nothing in this test.\n"
            f"If the calls are gone on purpose: {self.command}"
        )


class UnknownEpisode(ReplayError):
    """No episode has that name."""

    episode: str
    closest: tuple[str, ...]

    def __init__(self, episode: str, known: Iterable[str] = ()) -> None:
        super().__init__(episode, tuple(get_close_matches(episode, list(known), n=3, cutoff=0.5)))

    def __str__(self) -> str:
        lines = [f"There is no episode {self.episode!r}, neither in the store nor as a bundle."]
        if self.closest:
            lines.append(f"Closest: {', '.join(self.closest)}.")
        lines.append("What there is: replay list")
        return "\n".join(lines)


class BadName(ReplayError):
    """An episode cannot be called that: its name is a file name too."""

    name: str

    def __str__(self) -> str:
        return (
            f"{self.name[:80]!r} cannot be the name of an episode.\n"
            "A name is up to 120 letters, digits or ._-+=@, begins with one of the former, "
            "and is none that Windows keeps for a device, such as nul or com1."
        )


class OtherEpisode(ReplayError):
    """An episode of that name is there, with another entrypoint or other inputs."""

    episode: str

    def __str__(self) -> str:
        return (
            f"There is an episode {self.episode!r} with another entrypoint or other inputs.\n"
            "Its recordings would no longer be of one case: give the new one a name of its own,\n"
            f"or record the old one again: replay record --from {self.episode}"
        )


class OtherTenant(ReplayError):
    """An episode of that name belongs to another tenant, which nobody has asked for."""

    episode: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        theirs = f"to the tenant {self.theirs!r}" if self.theirs else "to no tenant"
        ours = f"of {self.ours!r}" if self.ours else "of no tenant"
        return (
            f"Episode {self.episode!r} belongs {theirs}; this is about those {ours}.\n"
            f"To mean it: --tenant {self.theirs or repr('')}"
        )


class OnlyShared(ReplayError):
    """An episode is to be deleted that only the shared store has."""

    episode: str

    def __str__(self) -> str:
        return (
            f"Only the shared store has {self.episode!r}, and that is read here, never written.\n"
            f"To delete it there: REPLAY_STORE=FILE replay delete {self.episode}"
        )


class NoStore(ReplayError):
    """There is no store yet."""

    path: str

    def __str__(self) -> str:
        return (
            f"There is no store at {self.path}.\n"
            "Make one of the bundles: replay import episodes/*.jsonl"
        )


class Ambiguous(ReplayError):
    """Several episodes, recordings or tests begin with what was given."""

    prefix: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        shown = _listed(self.candidates, _SHOWN_NAMES)
        return "\n".join([f"Several begin with {self.prefix!r}; name one:", *shown])


class BadFilter(ReplayError):
    """What is asked for cannot be looked for."""

    name: str
    value: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} {self.value!r} cannot be looked for. It takes: {self.wanted}."


class UnknownRecording(ReplayError):
    """An episode is known, but has no complete recording."""

    episode: str
    entrypoint: str

    def __str__(self) -> str:
        return (
            f"Episode {self.episode!r} has no complete recording.\n"
            f"Record one: replay record {self.entrypoint} --input FILE --id {self.episode}"
        )


class TeacherForced(ReplayError):
    """A recording holds answers to requests of another run, so that no program can be run on it."""

    episode: str
    recording: str
    models: str

    def __str__(self) -> str:
        return (
            f"Recording {self.recording[:15]} of {self.episode} was teacher-forced with "
            f"{self.models}: each answer is to what another model had led to, "
            "so that no program can be replayed against it.\n"
            f"Compare it: replay drift {self.episode}\n"
            f"To have one to replay: replay record --from {self.episode} --model {self.models}"
        )


class NoKey(ReplayError):
    """A recorded request cannot be sent again, as there is no key for its provider."""

    provider: str
    variable: str

    def __str__(self) -> str:
        if not self.provider:
            return "A recorded request had a key, and of which provider cannot be told."
        return f"There is no key for {self.provider}: set {self.variable}."


class NotAnswered(ReplayError):
    """A model that was asked what another had answered gave no answer."""

    episode: str
    step: int
    said: str

    def __str__(self) -> str:
        return (
            f"Call #{self.step} of {self.episode} was answered when it was recorded, and is not "
            f"now: {self.said}\nNo recording was added to {self.episode}."
        )


class UnknownVersion(ReplayError):
    """
    An episode has no recording of the version that was asked for.

    *there* are the recordings that there are, a line each; *record* is the command that would make
    one, with what it is expected to cost.
    """

    episode: str
    version: str
    there: tuple[str, ...]
    record: str = ""

    def __str__(self) -> str:
        lines = [f"{self.episode} has no recording {self.version!r}. There is:"]
        lines += [f"  {line}" for line in self.there]
        if self.record:
            lines.append(f"To record it: {self.record}")
        return "\n".join(lines)


class AmbiguousVersion(ReplayError):
    """What was asked for are several recordings, made with different models."""

    episode: str
    version: str
    there: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.version!r} can mean several recordings of {self.episode}:"]
        lines += [f"  {line}" for line in self.there]
        lines.append("Name one by its id or by the model that answered.")
        return "\n".join(lines)


class BadLines(ReplayError):
    """A list of runs has lines that mean nothing; *lines* say which, and why."""

    path: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        shown = _listed(self.lines, _SHOWN_NAMES)
        return "\n".join([f"{self.path}: nothing was run, because of", *shown])


class BadShards(ReplayError):
    """Reports that are to be merged are not the shards of one batch."""

    why: str

    def __str__(self) -> str:
        return (
            f"These reports cannot be merged: {self.why}.\n"
            "Each is what one `replay batch FILE --shard i/n --json PATH` wrote, n in all."
        )


class CommandFailed(ReplayError):
    """A program that we need (git, pip, uv) did not do what it was asked for."""

    command: str
    said: str

    def __str__(self) -> str:
        lines = [f"  {line}" for line in self.said.splitlines()[-_SHOWN:]]
        return "\n".join([f"This failed: {self.command}", *lines])


class NotBisected(ReplayError):
    """Between two revisions there is no first one that does not agree."""

    revision: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.revision}: {self.why}.\n"
            "--good takes a revision at which the replay agrees, --bad a later one at which not."
        )


class NoScheduler(ReplayError):
    """The Dask scheduler that was named does not answer."""

    address: str
    why: str

    def __str__(self) -> str:
        return (
            f"No Dask scheduler answers at {self.address}: {self.why}.\n"
            "To start one here: dask scheduler --host 127.0.0.1, and: dask worker tcp://127.0.0.1:8786"
        )


class NoFork(ReplayError):
    """Workers fork a process for each replay, and this system cannot."""

    system: str

    def __str__(self) -> str:
        return (
            "Replays in processes of their own need os.fork, which Python does not have on "
            f"{self.system}: use WSL, Linux or macOS.\nHere, one at a time: replay run EPISODE"
        )


class WorkerLost(ReplayError):
    """A child process that was to replay could not be started."""

    how: str
    printed: str = ""

    def __str__(self) -> str:
        return f"No worker could be started. {self.how}.{self.printed}"


class Damaged(ReplayError):
    """A file that holds recordings cannot be read as what it should be; it is left untouched."""

    path: str | Path
    what: str
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else str(self.path)
        lines = [f"{inline(place)}: {inline(self.what)}.", "Nothing was overwritten."]
        return "\n".join([*lines, self.hint] if self.hint else lines)


class NotSaved(ReplayError):
    """A file could not be written: no room, no leave to; *hint* says where its content is."""

    path: str
    why: str
    hint: str = ""

    def __str__(self) -> str:
        return (
            f"{inline(self.path)} could not be written: {self.why}.\n"
            "What it held before is untouched.\n"
            f"Make room, or make it writable; then {self.hint or 'the same command again'}"
        )


class NotWritten(ReplayError):
    """A cassette cannot hold what is to be written, because of the form that it has."""

    cassette: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.cassette}: {self.why}.\n"
            "Nothing was overwritten.\n"
            f"Make one of vcrpy's format of it: replay cassettes convert {self.cassette}"
        )


class NotAdded(ReplayError):
    """`replay init` cannot add to a file of the project."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: cannot add to it ({self.why}).\nMend that, and again: replay init"


class WouldOverwrite(ReplayError):
    """A file that is there already would be replaced, which nobody has asked for."""

    path: str
    command: str

    def __str__(self) -> str:
        return f"{self.path} is there already, and stays as it is.\nTo replace it: {self.command}"


class InUse(ReplayError):
    """A store is to be replaced, and others have it open: what they write would be lost."""

    path: str
    command: str

    def __str__(self) -> str:
        return (
            f"{self.path} is open in another process, and stays as it is.\n"
            "Stop what records to it or reads it (a service, a test run, Datasette).\n"
            f"Then: {self.command}"
        )


class BadEntrypoint(ReplayError):
    """The entrypoint cannot be imported, is not a function, or does not take these inputs."""

    entrypoint: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.entrypoint!r} cannot be run: {self.why}.\n"
            "An entrypoint is written package.module:function; its inputs are keyword arguments."
        )


class NoEntrypoint(BadEntrypoint):
    """An episode does not say which program made its calls."""

    def __init__(self, episode: str) -> None:
        super().__init__("", "there is none")
        self.args = (episode,)
        self.episode = episode

    def __str__(self) -> str:
        return (
            f"{self.episode} was imported, or recorded without run.call(function, …): "
            "it names no program that could be run.\n"
            f"What it holds: replay show {self.episode}\n"
            "For a golden test of the program that makes these calls: "
            f"replay export {self.episode} --format cassette"
        )


class ForeignEntrypoint(BadEntrypoint):
    """The entrypoint is not the project's own code."""

    def __str__(self) -> str:
        return (
            f"{self.entrypoint!r} is not run, as it is not code of this project: {self.why}.\n"
            "An episode names what is run, so a stranger's can name anything. "
            "If you mean it, add it in pyproject.toml:\n"
            f'  [tool.replay]\n  entrypoints = ["{self.entrypoint}"]'
        )


class RunRaised(ReplayError):
    """A run that was to be recorded ended in an exception; no recording was made of it."""

    episode: str
    what: str

    def __str__(self) -> str:
        return (
            f"The run raised {self.what.rstrip('.')}.\n"
            f"No recording was added to {self.episode!r}; what it held before is as it was.\n"
            "To record a run that is meant to raise: --allow-error"
        )


class NotJson(ReplayError):
    """A value that has to be kept as JSON is not JSON."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} has to be JSON: {self.why}."


class NotToml(ReplayError):
    """The project's settings cannot be read; *why* says the line."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path} is no TOML: {self.why}.\nMend that first: the settings stand in it."


class UnknownSetting(ReplayError):
    """There is no setting of that name; *known* are those that stand beside it."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        near = get_close_matches(self.name.rpartition(".")[2], self.known, n=1)
        said = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no setting {self.name}.{said}\nThere are: {', '.join(self.known)}."


class BadSetting(ReplayError):
    """A setting in `[tool.replay]`, the environment or the command line has no such value."""

    name: str
    value: object
    wanted: str

    def __str__(self) -> str:
        said = f"{self.name} = {self.value!r}{_source(self.name)}"
        said += f" means nothing. It takes: {self.wanted}."
        if self.name.startswith("TEST_"):
            said += f"\nIf it is meant for something else: env -u {self.name} pytest …"
        return said


class Unscripted(Miss):
    """A test on mocks sent a request that has no answer; *hint* is how to script one."""

    request: str
    why: str
    hint: str

    def __str__(self) -> str:
        return (
            f"{self.request} has no answer: {self.why}.\nScript one before it is sent: {self.hint}"
        )


class NeverAsked(ReplayError):
    """A test passed without asking for all the answers that it scripted."""

    answers: tuple[str, ...]

    def __str__(self) -> str:
        lines = ["Scripted and never asked for:", *_listed(self.answers)]
        return "\n".join([*lines, "Leave them out, or send what asks for them."])


class OverBudget(ReplayStop):
    """A LIVE_SMOKE run would spend more than it may; *spent* and *limit* are for people."""

    request: str
    spent: str
    setting: str
    limit: str

    def __str__(self) -> str:
        return (
            f"LIVE_SMOKE stopped before {self.request}: {self.spent} spent, {self.limit} allowed.\n"
            f"If the run may spend more: TEST_{self.setting.upper()}=…, "
            f"or {self.setting} in [tool.replay.test]"
        )


class ShapeChanged(ReplayError):
    """Live answers have other fields, types, tools or endings than those that were recorded."""

    cassette: str
    differences: tuple[Difference, ...]
    command: str

    def __str__(self) -> str:
        return "\n".join(
            [
                f"The live answers are not of the shape of those in {self.cassette}:",
                *difference_lines(self.differences, "now"),
                f"Nothing was written. If the change is good: {self.command}",
            ]
        )


class SecretFound(ReplayError):
    """What was to be written holds secrets; *places* say where, and of what kind each is."""

    path: str
    places: tuple[str, ...]
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"{self.path} would hold secrets, and was not written:", *_listed(self.places)]
        return "\n".join([*lines, self.hint] if self.hint else lines)


class MissingExtra(ReplayError):
    """Something needs a package that is only installed on request."""

    what: str
    extra: str

    def __str__(self) -> str:
        return f'{self.what} needs an extra: pip install "golden-replay[{self.extra}]"'


class BadGate(ReplayError):
    """A gate that nothing is known of."""

    gate: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.gate!r} is no gate. Kinds: {', '.join(self.known)}. "
            "Measures take a limit: cost>10%, latency>20%, tokens sent>5%."
        )


class NothingToCompare(ReplayError):
    """The two sides have no run in common, or one of them has none."""

    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"


class ReplayWarning(UserWarning):
    """Something that a recording cannot hold, or a replay cannot see."""


def shown(error: BaseException) -> str:
    """Give the sentence of *error* to a terminal or a log, which obeys nothing that is in it."""
    return uncommanding(visible(str(error)))


def _closest_lines(closest: Closest | None) -> list[str]:
    if closest is None:
        return ["Nothing recorded goes to that address: it is a new call."]
    if closest.out_of_order:
        due = f"The order is strict: #{closest.step} is due, this is #{closest.out_of_order}."
        return [due, "What is due differs in:", *difference_lines(closest.differences, "sent")]
    if not closest.differences:
        return [f"Recorded call #{closest.step} is the same request, and was already played."]
    played = ", which was already played" if closest.played else ""
    return [
        f"Closest is #{closest.step}{played}; it differs in its {' and '.join(closest.change)}:",
        *difference_lines(closest.differences, "sent"),
        *(_address_lines(closest.differences) if closest.change == ("address",) else ()),
    ]


def _address_lines(differences: Iterable[Difference]) -> Iterable[str]:
    """Say what makes requests differ in their address alone: another host, or parameters."""
    places = {difference.path: difference for difference in differences}
    names = [path.removeprefix("query.") for path in places if path.startswith("query.")]
    if len(names) == len(places):
        return (
            f"If that never matters: ignore_query = {inline(str(names))} in [tool.replay.match].",
        )
    url = places.get("url")
    return _ELSEWHERE if url and _host(url.recorded) != _host(url.now) else ()


def _host(url: object) -> str:
    return str(url).partition("://")[2].partition("/")[0]


def _listed(items: tuple[str, ...], most: int = _SHOWN) -> list[str]:
    lines = [f"  {item}" for item in items]
    return lines if len(lines) <= most else [*lines[:most], f"  … and {len(lines) - most} more"]


def _source(name: str) -> str:
    if name.startswith("--"):
        return " (from the command line)"
    if name.startswith("tool.replay"):
        return " (in pyproject.toml)"
    return " (from the environment)" if name.isupper() else ""
