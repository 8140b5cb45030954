"""What an episode may name to be run: the project's own code, or what the project declares."""

import json
import sys
from dataclasses import replace

import pytest

from replay.config import Config, load_config
from replay.engine.entrypoint import load_entrypoint
from replay.errors import ForeignEntrypoint
from replay.model import Episode
from tests.batches import project_of, recording

AGENT = """
import os, subprocess
from functools import partial
from os import system
import lib

class Agent(lib.Base):
    def ask(self): pass

    @classmethod
    def make(cls): pass

def answer(): pass

agent = Agent()
client = lib.Base()
bound = partial(answer)
hidden = partial(os.system)
app = lib.App()
"""
LIB = """
print("imported", __name__)

class Base:
    def chat(self): pass

class App:
    async def __call__(self, scope, receive, send): pass
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project `mine`, whose virtual environment, in its folder, holds the package `lib`."""
    root, library = tmp_path / "root", tmp_path / "root/.venv/lib/site-packages"
    for path, text in (
        (root / "pyproject.toml", "[tool.replay]\n"),
        (root / "src/mine/__init__.py", ""),
        (root / "src/mine/agent.py", AGENT),
        (root / "spaced/deep/tool.py", "def work(): pass\n"),
        (library / "lib/__init__.py", LIB),
        (library / "lib/deep.py", "print('imported', __name__)\ndef run(): pass\n"),
        (tmp_path / "outside.py", "print('imported', __name__)\ndef run(): pass\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = load_config(root)
    for place in (*config.sources, str(library), str(tmp_path)):
        monkeypatch.syspath_prepend(place)
    yield config
    for name in [n for n in sys.modules if n.split(".")[0] in ("mine", "lib", "spaced", "outside")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "entrypoint",
    [
        "mine.agent:answer",
        "mine.agent:Agent.make",
        "mine.agent:agent.ask",
        "mine.agent:agent.chat",
        "mine.agent:bound",
        "mine.agent:app",
        "spaced.deep.tool:work",
    ],
)
def test_own_code_is_run(project, entrypoint):
    """Functions, methods also where they are inherited, partials, apps of a framework."""

    assert callable(load_entrypoint(entrypoint, project))


@pytest.mark.parametrize(
    "entrypoint",
    ["os:system", "subprocess:run", "posix:system", "lib:Base", "lib.deep:run", "outside:run"],
)
def test_other_modules_are_not_even_imported(project, entrypoint, capsys):
    """Python's, installed ones though they lie in the project, and those beside it."""

    with pytest.raises(ForeignEntrypoint) as refused:
        load_entrypoint(entrypoint, project)

    assert capsys.readouterr().out == ""
    assert str(refused.value).endswith(f'[tool.replay]\n  entrypoints = ["{entrypoint}"]')


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "system",
        "subprocess.run",
        "subprocess.Popen",
        "hidden",
        "client.chat",
        "answer.__globals__.get",
        "answer.__call__",
        "os.environ.setdefault",
    ],
)
def test_what_own_code_imports_is_not_run(project, name):
    """A module of the project is a way to all that it uses."""

    with pytest.raises(ForeignEntrypoint):
        load_entrypoint(f"mine.agent:{name}", project)


@pytest.mark.parametrize(
    ("declared", "entrypoint"),
    [
        ("lib", "lib.deep:run"),
        ("lib.deep", "lib.deep:run"),
        ("lib.deep:run", "lib.deep:run"),
        ("lib", "mine.agent:client.chat"),
        ("mine.agent:client.chat", "mine.agent:client.chat"),
    ],
)
def test_declared_code_is_run(project, declared, entrypoint):
    """A module, what is below it, or one function."""

    config = Config(root=project.root, entrypoints=(declared,))

    assert callable(load_entrypoint(entrypoint, config))


def test_a_declared_module_is_no_way_to_others(project):
    """Nor is one whose name only begins so."""

    config = Config(root=project.root, entrypoints=("outside", "mine", "li"))

    for entrypoint in ("mine.agent:os.system", "lib.deep:run"):
        with pytest.raises(ForeignEntrypoint):
            load_entrypoint(entrypoint, config)


EVIL = Episode("evil", "os:system", {"command": "touch owned"}, (recording(1, model="m-1"),))


@pytest.mark.parametrize(
    "command",
    [
        ("run", "evil"),
        ("frozen", "evil", "--model", "m-1"),
        ("batch", "--all", "--workers", "1"),
        ("record", "--from", "evil"),
        ("record", "--from", "evil", "--model", "m-2", "--yes"),
    ],
)
def test_no_verb_runs_what_a_stranger_names(tmp_path, command):
    """Exit 2, nothing was run, and what it takes to be allowed is said."""

    project = project_of(tmp_path, [EVIL])
    done = project.replay(*command)

    assert done.returncode == 2, done.stdout + done.stderr
    assert not (tmp_path / "owned").exists()
    if command[0] != "batch":
        assert 'entrypoints = ["os:system"]' in done.stdout + done.stderr


def test_only_chosen_variables_are_set(tmp_path):
    """A recording that names others, such as PATH, says so and sets none of them."""

    found = recording(1)
    variables = {"CHOSEN": "there", "SNEAKED": "in"}
    made = replace(found, manifest=replace(found.manifest, environment=variables))
    made = replace(made, interactions=(), output=["there", None])
    project = project_of(tmp_path, [Episode("case", "program:main", {}, (made,))])
    project.write("pyproject.toml", '[tool.replay]\nenvironment = ["CHOSEN"]\n')
    names = "[os.environ.get(name) for name in ('CHOSEN', 'SNEAKED')]"
    project.write("program.py", f"import os\n\ndef main():\n    return {names}\n")
    done = json.loads(project.replay("run", "case", "--json").stdout)

    assert done["outcome"]["kind"] == "IDENTICAL", done
    assert {
        "path": "environment SNEAKED",
        "recorded": "in",
        "now": "(not set)",
    } in done["changes"]


def test_a_declared_one_runs(tmp_path):
    """By the setting that the error names."""

    project = project_of(tmp_path, [EVIL])
    project.write("pyproject.toml", '[tool.replay]\nentrypoints = ["os:system"]\n')
    done = project.replay("run", "evil", "--json")

    assert json.loads(done.stdout)["outcome"]["kind"] == "UNPLAYED", done.stderr
    assert (tmp_path / "owned").exists()
