"""What a fault is: something that is done to a command, and what has to hold after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from random import Random

from faults.ground import Broken, Ground, small, told_one_of
from tests.shell import Done

MANY = 40
"""Trials of a fault that is tried again and again, at 400 runs in all."""

FEW = 6


STORE_SAYS = "….db: SQLite cannot use it: …. Is it writable, and its disk not full? …"
FILE_SAYS = (
    "… could not be written: No space left on device. What it held before is untouched. "
    "Make room, or make it writable; then …"
)


class Fault(ABC):
    """
    Something that befalls a command.

    *title* to *told* are the row of the table; `trial` demands what they say, or raises `Broken`.
    """

    title = ""
    made = ""
    holds = ""
    told = ""
    runs = FEW
    mounts = False

    def prepare(self, ground: Ground) -> Ground:
        """Make what each trial begins with a copy of; once."""
        return ground

    @abstractmethod
    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        """Let it befall a copy of *start* in *folder*; the *number*-th time, from 0."""


class Killed(Fault):
    """SIGKILL of the *command*, which begins at what `whole` makes; `after` sees what is left."""

    command = ""
    made = "SIGKILL at a random moment"
    runs = MANY

    @abstractmethod
    def whole(self, ground: Ground) -> None:
        """Make what is whole before."""

    @abstractmethod
    def after(self, ground: Ground) -> None:
        """Demand that it still is, or that it is the new one, and that one can go on."""

    def prepare(self, ground: Ground) -> Ground:
        self.whole(ground)
        undisturbed = ground.copied(ground.folder.with_name("undisturbed")).run(self.command)
        if undisturbed.code not in (0, 1):
            raise Broken(f"{self.command}: exit {undisturbed.code}\n{undisturbed.said}")
        self._seconds, self._changes = undisturbed.seconds, undisturbed.changes
        if self._changes:
            self.made += ", and right before its changes of files, one by one"
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        ground = start.copied(folder)
        if number % 2 and self._changes:
            ground.run(self.command, change=1 + number // 2 % self._changes)
        else:
            ground.run(self.command, seconds=chance.uniform(0.001, self._seconds))
        self.after(ground)


class FullDisk(Fault):
    """The *command* on a disk with less room than it takes, then again with enough."""

    command = ""
    says: tuple[str, ...] = (STORE_SAYS, FILE_SAYS)
    told = f"{STORE_SAYS} Or: {FILE_SAYS}"
    made = "a tmpfs with less room than it takes, by a random amount"
    runs = 2 * FEW
    mounts = True

    @abstractmethod
    def whole(self, ground: Ground) -> None:
        """Make what is whole before."""

    @abstractmethod
    def after(self, ground: Ground, done: Done) -> None:
        """Demand that it still is, or that it is the new one."""

    def prepare(self, ground: Ground) -> Ground:
        self.whole(ground)
        undisturbed = ground.copied(ground.folder.with_name("undisturbed"))
        done = undisturbed.run(self.command)
        if done.code not in (0, 1):
            raise Broken(f"{self.command}: exit {done.code}\n{done.said}")
        self._size = _pages(ground.folder)
        self._grown = max(_pages(undisturbed.folder) - self._size, _PAGE) + 8 * _PAGE
        return ground

    def trial(self, start: Ground, folder: Path, chance: Random, number: int) -> None:
        with small(folder, self._size + chance.randrange(1, self._grown, _PAGE)):
            ground = start.copied(folder)
            done = ground.run(self.command)
            if done.code:
                told_one_of(done.said, self.says)
            self.after(ground, done)


_PAGE = 4096


def _pages(folder: Path) -> int:
    """Tell what a folder takes on a tmpfs: whole pages."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(-(-path.stat().st_size // _PAGE) * _PAGE for path in files)
