"""Where the two sides of a comparison come from: files, folders, git revisions, episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from replay.cassettes.check import SUFFIXES, cassette_paths
from replay.cassettes.files import read_cassette
from replay.cassettes.reading import CassetteFile, read_source
from replay.cassettes.redaction import Redactor
from replay.commands import git
from replay.drift.report import LeftOut, Pair
from replay.episodes.versions import NO_TAGS, meant, versions
from replay.errors import CommandFailed, Damaged, NothingToCompare
from replay.model import Episode, Manifest, Recording

_UNKNOWN = Manifest(clock="", pinned=False, seed=0)


def paired(before: Sequence[Path], after: Sequence[Path]) -> Iterator[Pair | LeftOut]:
    """
    Pair cassettes: two files, or two folders file by file of the same name.

    More than one path of a side are further recordings of the same version.

    Raises:
        NothingToCompare: a path is not there, or no name is in both.

    """
    sides = [[_named(path) for path in paths] for paths in (before, after)]
    if all(path.is_file() for path in (*before, *after)):
        sides = [[{before[0].name: path} for path in paths] for paths in (before, after)]
    names = [dict.fromkeys(name for found in side for name in found) for side in sides]
    if not set(names[0]) & set(names[1]):
        what = f"No cassette of one name is in both {before[0]} and {after[0]}."
        raise NothingToCompare(what, "Give two files, or two folders that hold the same names.")
    for name in dict.fromkeys([*names[0], *names[1]]):
        yield _pair(name, *([found[name] for found in side if name in found] for side in sides))


def revisions(folder: Path, before: str, after: str) -> Iterator[Pair | LeftOut]:
    """
    Pair the cassettes under *folder*, a folder or a file, at two git revisions.

    An empty *after* stands for the files as they are now.

    Raises:
        NothingToCompare: git does not know the revision, or has nothing of it there.

    """
    old = dict.fromkeys(_listed(folder, before))
    new = dict.fromkeys(_listed(folder, after) if after else _present(folder))
    if not old.keys() & new.keys():
        what = f"No cassette under {folder} is in both {before} and {after or 'the files now'}."
        raise NothingToCompare(what, "git log --oneline -- FOLDER lists the revisions.")
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            yield LeftOut(name, f"only {'after' if name in new else 'before'}")
            continue
        data = _blob(folder, before, name), _content(folder, after, name)
        try:
            was, now = (recording_of(read_source(Path(name), each).file()) for each in data)
            yield Pair(name, (was,), (now,), outputs=False)
        except Damaged as error:
            yield LeftOut(name, str(error), broken=True)


def sides(episode: Episode, before: str, after: str, tags: Mapping[str, str] = NO_TAGS) -> Pair:
    """
    Pair the recordings of *episode* that two versions mean; see `episodes.versions.meant`.

    Without *after* it is the newest version, of what was recorded after *before*; without *before*
    the version before that, or, where there is but one, what was recorded under it before.

    Raises:
        NothingToCompare: there is but one recording, or both sides mean the same one.
        UnknownVersion, AmbiguousVersion: a version means none, or several.

    """
    every = episode.recordings
    old = meant(episode, before, tags) if before else ()
    new = meant(episode, after, tags) if after else _newest(_since(every, old))
    old = old or _newest(_without(every, new))
    if not old:
        old, new = new[:-1], new[-1:]
    if not old or not new:
        what = f"{episode.id} has no other recording to be compared with."
        raise NothingToCompare(what, f"Record one: replay record --from {episode.id}")
    if len(_without(new, old)) < len(new):
        there = "".join(f"\n  {version}" for version in versions(episode))
        what = f"Both sides mean one recording. {episode.id} has:{there}"
        raise NothingToCompare(what, "Name two by their ids: --from b2:… --to b2:…")
    return Pair(episode.id, old, new)


def recording_of(cassette: CassetteFile) -> Recording:
    """
    Take a cassette for a recording: it knows its calls, and sometimes when they were made.

    Another tool may have left secrets in it, and a report is for everybody.
    """
    began = cassette.began.isoformat() if cassette.began else ""
    redacted = map(Redactor().interaction, cassette.interactions)
    return Recording(replace(_UNKNOWN, clock=began), tuple(redacted))


def _newest(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Take those that the same model answered as the last one."""
    if not recordings:
        return ()
    answered = recordings[-1].manifest.models_answered
    return tuple(one for one in recordings if one.manifest.models_answered == answered)


def _since(recordings: Sequence[Recording], some: Sequence[Recording]) -> Sequence[Recording]:
    known = set(map(id, some))
    last = max((n for n, one in enumerate(recordings, 1) if id(one) in known), default=0)
    return recordings[last:]


def _without(recordings: Sequence[Recording], some: Sequence[Recording]) -> tuple[Recording, ...]:
    known = set(map(id, some))
    return tuple(one for one in recordings if id(one) not in known)


def _named(path: Path) -> dict[str, Path]:
    if path.is_dir():
        return {found.relative_to(path).as_posix(): found for found in cassette_paths([path])}
    return {path.name: path}


def _pair(name: str, before: list[Path], after: list[Path]) -> Pair | LeftOut:
    if not before or not after:
        return LeftOut(name, f"only {'after' if after else 'before'}")
    try:
        return Pair(name, _recordings(before), _recordings(after), outputs=False)
    except Damaged as error:
        return LeftOut(name, str(error), broken=True)


def _recordings(paths: Iterable[Path]) -> tuple[Recording, ...]:
    return tuple(recording_of(read_cassette(path)) for path in paths)


def _present(folder: Path) -> list[str]:
    root = folder if folder.is_dir() else folder.parent
    return [path.relative_to(root).as_posix() for path in cassette_paths([folder])]


def _listed(folder: Path, revision: str) -> list[str]:
    root = folder if folder.is_dir() else folder.parent
    scope = "." if folder.is_dir() else folder.name
    text = _git(
        root, "ls-tree", "-r", "-z", "--name-only", "--end-of-options", revision, scope
    ).decode()
    return [name for name in text.split("\0") if name.endswith(SUFFIXES)]


def _content(folder: Path, revision: str, name: str) -> bytes:
    if revision:
        return _blob(folder, revision, name)
    return ((folder if folder.is_dir() else folder.parent) / name).read_bytes()


def _blob(folder: Path, revision: str, name: str) -> bytes:
    root = folder if folder.is_dir() else folder.parent
    return _git(root, "cat-file", "blob", f"{revision}:./{name}")


def _git(root: Path, *arguments: str) -> bytes:
    try:
        return git(root, *arguments)
    except CommandFailed as error:
        hint = "Give --from and --to revisions that git knows."
        raise NothingToCompare(error.said, hint) from None
