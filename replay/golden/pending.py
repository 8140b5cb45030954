"""What waits for a person: goldens and cassettes with a proposal beside them, and decisions."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from replay.atomic import accept_proposal, drop_proposal, proposal, saving, write_atomic
from replay.canonical import parsed_json
from replay.config import Config
from replay.errors import Ambiguous, Damaged, NothingPending, NothingToUndo
from replay.golden.changes import (
    CALL,
    Change,
    Drift,
    cassette_change,
    clustered,
    golden_change,
)
from replay.golden.chosen import rules_of
from replay.golden.extension import SUFFIXES

_KEPT = 50
_ALL = "all"
_OURS = (*SUFFIXES, ".yaml")


def pending(config: Config) -> tuple[Change, ...]:
    """
    List what waits: goldens, each with what its cassette says of why, then cassettes on their own.

    A golden whose cassette waits too is decided together with it; a cassette that waits alone has
    a verb of its own, as what a failing run has recorded may be half of it; it can be rejected.
    """
    cassettes = {change.stem: change for change in _cassettes(config)}
    goldens = [_with_cause(change, cassettes.get(change.stem)) for change in _goldens(config)]
    decided = {change.stem for change in goldens}
    alone = [change for stem, change in cassettes.items() if stem not in decided]
    return (*goldens, *alone)


def chosen(changes: Iterable[Change], glob: str, *, reject: bool = False) -> tuple[Change, ...]:
    """
    Choose by the stem or name of the test, the file (globs, all) or the id of a cluster.

    Of a stem or a name, a beginning will do that no other test has.

    `all` is every one that can be accepted, or rejected: that is a cassette on its own as well.

    Raises:
        NothingPending: no change has such a name.
        Ambiguous: those of several tests begin so.

    """
    open_to = [change for change in changes if reject or not change.verb]
    found = tuple(change for change in open_to if glob == _ALL or _is_called(change, glob))
    found = found or next((c.changes for c in clustered(open_to) if c.id == glob), ())
    found = found or _beginning(open_to, glob)
    if not found:
        raise NothingPending(glob, tuple(change.path.name for change in open_to))
    return found


class Decisions:
    """
    Decisions on what waits; each can be undone, the last first, in this process or in a later one.

    Files are moved, never deleted: what a decision replaces lies in `.replay/review` until there
    are 50 newer ones.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._folder = config.root / ".replay" / "review"

    def accept(self, changes: Iterable[Change]) -> list[Path]:
        """Put what waits in its place; give what was replaced or made."""
        return self._decide("accept", changes)

    def reject(self, changes: Iterable[Change]) -> list[Path]:
        """Put what waits away; give what stays as it is."""
        return self._decide("reject", changes)

    def undo(self) -> tuple[str, list[Path]]:
        """
        Take the last decision back; give its verb and files.

        Raises:
            NothingToUndo: there is none.

        """
        kept = self._kept()
        if not kept:
            raise NothingToUndo
        folder = kept[-1]
        verb, paths = self._journal(folder / "decision.json")
        for number, path in enumerate(paths):
            old, new = folder / f"{number}.old", folder / f"{number}.new"
            if new.exists():
                write_atomic(proposal(path), new.read_bytes())
            if verb == "accept":
                if old.exists():
                    write_atomic(path, old.read_bytes())
                else:
                    path.unlink(missing_ok=True)
        _forget(folder)
        return verb, paths

    def _journal(self, file: Path) -> tuple[str, list[Path]]:
        """Read what was decided, which may have come with a pull request: on our files only."""
        try:
            journal = parsed_json(file.read_bytes())
            verb, named = str(journal["verb"]), [entry["path"] for entry in journal["files"]]
            paths = [Path(os.path.normpath(self._config.root / name)) for name in named]
        except (ValueError, TypeError, LookupError) as error:
            raise Damaged(file, f"not a decision: {type(error).__name__}: {error}") from error
        folders = (self._config.path(f) for f in (self._config.golden, self._config.cassettes))
        own = {Path(os.path.normpath(folder)) for folder in folders}
        for path in paths:
            if path.parent not in own or path.suffix not in _OURS:
                what = f"{path} is no golden and no cassette of this project"
                raise Damaged(file, what, hint=f"Did somebody send it? rm -r {file.parent}")
        return verb, paths

    def _decide(self, verb: str, changes: Iterable[Change]) -> list[Path]:
        paths = [path for change in changes for path in self._files(change)]
        paths = list(dict.fromkeys(paths))
        folder = self._new_folder()
        for number, path in enumerate(paths):
            if path.exists():
                write_atomic(folder / f"{number}.old", path.read_bytes())
            write_atomic(folder / f"{number}.new", proposal(path).read_bytes())
        files = [{"path": str(self._config.named(path))} for path in paths]
        write_atomic(folder / "decision.json", json.dumps({"verb": verb, "files": files}))
        for path in paths:
            (accept_proposal if verb == "accept" else drop_proposal)(path)
        return paths

    def _files(self, change: Change) -> list[Path]:
        """List a golden, and the cassette that waits with it."""
        cassette = self._config.path(self._config.cassettes) / f"{change.stem}.yaml"
        paths = [change.path, cassette]
        return [path for path in paths if proposal(path).exists()]

    def _kept(self) -> list[Path]:
        return sorted(path.parent for path in self._folder.glob(f"{'[0-9]' * 6}/decision.json"))

    def _new_folder(self) -> Path:
        kept = self._kept()
        for folder in kept[: max(len(kept) - _KEPT + 1, 0)]:
            _forget(folder)
        number = int(kept[-1].name) + 1 if kept else 1
        folder = self._folder / f"{number:06}"
        shutil.rmtree(folder, ignore_errors=True)  # of a process that died before it decided
        write_atomic(self._folder / ".gitignore", "# What decisions have replaced.\n*\n")
        return folder


def _forget(folder: Path) -> None:
    """Remove a decision; half removed, it is none: undoing that would remove goldens."""
    with saving(folder):
        (folder / "decision.json").unlink()
        shutil.rmtree(folder)


def _goldens(config: Config) -> list[Change]:
    found = []
    for beside in sorted(config.path(config.golden).glob("*.new")):
        path = beside.with_suffix("")
        if path.suffix in SUFFIXES:
            was = path.read_bytes() if path.exists() else None
            found.append(golden_change(path, was, beside.read_bytes()))
    return found


def _cassettes(config: Config) -> list[Change]:
    found = []
    for beside in sorted(config.path(config.cassettes).glob("*.yaml.new")):
        path = beside.with_suffix("")
        was = path.read_bytes() if path.exists() else None
        change = cassette_change(path, was, beside.read_bytes(), rules_of(config))
        same = all(s.drift is Drift.REQUEST and s.what != CALL for s in change.steps)
        adopted = was is not None and same and not change.note
        verb = (
            f"replay cassettes adopt {shlex.quote(str(path))}"
            if adopted
            else "pytest --record-failed --snapshot-update"
        )
        found.append(replace(change, verb=verb))
    return found


def _with_cause(golden: Change, cassette: Change | None) -> Change:
    """Tell of a golden what moved in its cassette: a prompt, an answer, or nothing."""
    if cassette is None:
        return golden
    drifts = tuple(dict.fromkeys((*cassette.drifts, *golden.drifts)))
    steps = (*cassette.steps, *golden.steps)
    return replace(
        golden, drifts=drifts, steps=steps, was=cassette.was, now=cassette.now, note=cassette.note
    )


def _beginning(changes: Iterable[Change], prefix: str) -> tuple[Change, ...]:
    """Find the changes of the one test that is called so in the beginning."""
    found = [c for c in changes if c.stem.startswith(prefix) or _test(c).startswith(prefix)]
    stems = tuple(dict.fromkeys(change.stem for change in found))
    if prefix and len(stems) > 1:
        raise Ambiguous(prefix, stems)
    return tuple(found) if prefix else ()


def _test(change: Change) -> str:
    return change.stem.partition(".")[2]


def _is_called(change: Change, glob: str) -> bool:
    names = (change.stem, _test(change), change.path.name, change.path.stem, str(change.path))
    return any(name == glob or fnmatchcase(name, glob) for name in names if name)
