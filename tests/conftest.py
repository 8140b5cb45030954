"""What the tests stand on: the stand-in over loopback, and a project of its own on disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings

from replay.canonical import content_hash
from replay.cli import main

ROOT = Path(__file__).parent.parent

OWN = ("OPENAI", "ORDERS", "SHIPPING", "TEST_", "REPLAY", "GITHUB_", "PYTEST_")
"""Beginnings of the variables that are a project's own."""

pytest_plugins = ["pytester"]

# Nothing may fail because the machine is busy.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

WITHOUT = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio")]
"""Plugins that inner runs do without: together they take as long to import as all the rest."""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep out of the cache of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def standin() -> Iterator[str]:
    """A stand-in in a process of its own; its address, without a path."""
    command = [sys.executable, "-m", "examples.support_agent.standin", "--port", "0"]
    fast = ["--latency", "0.005", "--chunk-delay", "0.002"]
    process = subprocess.Popen([*command, *fast], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline()
    yield line.split()[-1]
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


@dataclass(frozen=True)
class Project:
    """A project of somebody's: files, and commands that are run in it."""

    root: Path
    env: dict[str, str]
    memory: Path | None = None

    def write(self, path: str, text: str) -> Project:
        """Put a file in place, a second newer than it was: by that, Python compiles it anew."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.stat().st_mtime if target.exists() else 0
        target.write_text(text)
        if target.stat().st_mtime < before + 1:
            os.utime(target, (before + 1, before + 1))
        return self

    def edit(self, path: str, old: str, new: str, count: int = -1) -> Project:
        """Change a file, in a place that must be there; the first *count* such places."""
        text = (self.root / path).read_text()
        assert old in text
        return self.write(path, text.replace(old, new, count))

    def where(self, **env: str) -> Project:
        """Use other variables; an empty one is taken away."""
        changed = {k: v for k, v in (self.env | env).items() if v}
        return replace(self, env=changed)

    def once(self, what: str, folders: Iterable[str], make: Callable[[], object]) -> None:
        """Let *make* fill *folders*; where another test had *what* made, take what it left."""
        if self.memory is None:
            make()
            return
        own = {k: v for k, v in self.env.items() if k.startswith(OWN)}
        kept = self.memory / content_hash([what, own]).replace(":", "-")
        if not kept.exists():
            make()
            for folder in folders:
                shutil.copytree(self.root / folder, kept / folder)
        for folder in folders:
            shutil.copytree(kept / folder, self.root / folder, dirs_exist_ok=True)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False
        )

    def replay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `replay` command."""
        return self.run(sys.executable, "-m", "replay", *arguments)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an inner pytest."""
        return self.run(sys.executable, "-m", "pytest", *WITHOUT, *arguments)


def surroundings() -> dict[str, str]:
    """
    Give the variables that an inner run may see: nothing of the outer run's, or of its CI.

    What it compiles it may keep, whatever the outer run may: there are hundreds of inner runs.
    """
    foreign = (*OWN, "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {"CI": "false"}


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where recordings are kept that many tests begin with."""
    return tmp_path_factory.mktemp("memory")


@dataclass(frozen=True)
class InProcess(Project):
    """The same, with the `replay` command run in this process: for what is not about processes."""

    def replay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `replay` command, with the project's own modules for those of their names."""
        own = {file.stem for file in self.root.iterdir()}
        path, aside = list(sys.path), _forgotten(own)
        unset = dict.fromkeys(os.environ.keys() - self.env.keys())
        try:
            with contextlib.chdir(self.root):
                done = CliRunner().invoke(main, arguments, env=unset | self.env)
        finally:
            sys.path[:] = path
            _forgotten(own)
            sys.modules.update(aside)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def _forgotten(packages: set[str]) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture
def project(tmp_path: Path, standin: str, memory: Path) -> Project:
    """A project with the example agent in it, set up to talk to the stand-in."""
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "pyproject.toml").write_text(
        "[tool.replay]\n"
        'environment = ["OPENAI_BASE_URL", "ORDERS_URL", "SHIPPING_URL", "SUPPORT_MODEL"]\n'
        "[tool.pytest.ini_options]\n"
        'asyncio_mode = "auto"\n'
    )
    env = surroundings() | {
        "OPENAI_API_KEY": "not-a-key",
        "OPENAI_BASE_URL": f"{standin}/v1",
        "ORDERS_URL": f"{standin}/orders",
        "SHIPPING_URL": f"{standin}/shipping",
    }
    return Project(tmp_path, env, memory)


@pytest.fixture
def offline(project: Project) -> Project:
    """The same project where nothing is set up: no key, no address."""
    return project.where(OPENAI_API_KEY="", OPENAI_BASE_URL="", ORDERS_URL="", SHIPPING_URL="")
