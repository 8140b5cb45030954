"""The list of runs: read whole, and refused whole, before anything is run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from replay.canonical import content_hash, parsed_json
from replay.config import Config
from replay.episodes.folder import import_bundle
from replay.episodes.store import Store
from replay.episodes.versions import resolve
from replay.errors import BadLines, ReplayError
from replay.model import Json, Kind

_FIELDS = {"episode", "version", "tags", "expect"}


@dataclass(frozen=True, slots=True)
class Run:
    """One replay of a batch; *expect* is the outcome that counts as agreement, if not the usual."""

    episode: str
    version: str = ""
    tags: tuple[str, ...] = ()
    expect: Kind | None = None

    def __str__(self) -> str:
        return f"{self.episode} {self.version}".rstrip()


def read_runs(path: Path) -> list[tuple[int, Run]]:
    """
    Read a list of runs, each with the number of its line.

    A line is `id`, `id version`, or a JSON object with `episode` and, if wanted, `version`, `tags`
    and `expect`. Blank lines and what follows a `#` at the beginning of a line do not count.

    Raises:
        BadLines: a line is none of these, or repeats another.

    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLines(str(path), (f"it cannot be read: {error}",)) from error
    found, seen, bad = list[tuple[int, Run]](), dict[str, int](), list[str]()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            run = _run(line.strip())
        except ValueError as error:
            bad.append(f"line {number}: {error}")
            continue
        if (first := seen.setdefault(str(run), number)) != number:
            bad.append(f"line {number}: {run} is there already, on line {first}")
        found.append((number, run))
    if bad:
        raise BadLines(str(path), tuple(bad))
    return found


def check_runs(
    runs: Iterable[tuple[int, Run]], store: Store, config: Config, source: str
) -> list[Run]:
    """
    Bring the bundles of *runs* into *store*, and make sure that each run means a recording.

    Raises:
        BadLines: an episode or a version is not there.

    """
    good, bad, known = list[Run](), list[str](), set(store.ids())
    bundles = {path.stem: path for path in config.path(config.episodes).glob("*.jsonl")}
    for number, run in runs:
        try:
            if path := bundles.pop(run.episode, None):
                import_bundle(store, path)
            if run.version or run.episode not in known:
                resolve(store.get(run.episode), run.version, config.versions)
            good.append(run)
        except ReplayError as error:
            bad.append(f"line {number}: {error}".replace("\n", "\n    "))
    if bad:
        raise BadLines(source, tuple(bad))
    return good


def every_run(
    store: Store, config: Config, version: str = "", tags: Collection[str] = ()
) -> list[tuple[int, Run]]:
    """List a run of every episode; of those with a recording of *version*, and one of *tags*."""
    for path in sorted(config.path(config.episodes).glob("*.jsonl")):
        import_bundle(store, path)
    found = [s for s in store.summaries() if not tags or set(tags) & set(s.tags)]
    names = [s.id for s in found if not version or _has(store, config, s.id, version)]
    return [(number, Run(name, version)) for number, name in enumerate(names, 1)]


def batch_id(runs: Sequence[Run]) -> str:
    """Name a batch by what it runs, so that the same list resumes the same batch."""
    return content_hash([[run.episode, run.version] for run in runs])


def shard(runs: Sequence[Run], part: int, parts: int) -> list[tuple[int, Run]]:
    """Take every *parts*-th run, from the *part*-th on, each with its place in the whole."""
    return list(enumerate(runs, 1))[part - 1 :: parts]


def _has(store: Store, config: Config, episode: str, version: str) -> bool:
    try:
        resolve(store.get(episode), version, config.versions)
    except ReplayError:
        return False
    return True


def _run(line: str) -> Run:
    if line.startswith("{"):
        return _from_json(parsed_json(line))
    episode, *version = line.split()
    if len(version) > 1:
        raise ValueError(f"{line!r} is not `id` or `id version`")
    return Run(episode, "".join(version))


def _from_json(value: Json) -> Run:
    if unknown := sorted(set(value) - _FIELDS):
        raise ValueError(f"there is no {unknown[0]!r} in a run, but {', '.join(sorted(_FIELDS))}")
    if not isinstance(value.get("episode"), str) or not isinstance(value.get("version", ""), str):
        raise ValueError("'episode' has to be a name, and 'version' one if it is there")
    tags = value.get("tags", [])
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise ValueError("'tags' has to be a list of names")
    expect = value.get("expect")
    if expect is not None and expect not in list(Kind):
        raise ValueError(f"'expect' has to be one of {', '.join(Kind)}")
    kind = Kind(expect) if expect else None
    return Run(value["episode"], value.get("version", ""), tuple(tags), kind)
