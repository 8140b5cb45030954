"""`replay init`: what it adds to a project, and that it changes nothing else."""

import tomllib
from pathlib import Path

import pytest

from replay.cli import main


@pytest.fixture
def empty(project, tmp_path_factory):
    """A folder with nothing in it, in the environment of a project."""
    return type(project)(tmp_path_factory.mktemp("fresh"), project.env)


def files(root: Path) -> dict[str, bytes]:
    """Every file under *root* and what is in it."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def init(monkeypatch, capsys):
    """Run `replay init` in a folder, in this process; its exit code and what it printed."""

    def run(folder, *arguments):
        monkeypatch.chdir(folder)
        code = main(["init", *arguments], standalone_mode=False) or 0
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_next_commands(empty):
    """The commands that it names run: scripted, recorded, and replayed with nothing set up."""

    said = empty.replay("init").stdout.split("Next:\n")[1].splitlines()
    scripted, recorded, replayed = (line.split("pytest")[1].split() for line in said[::2])

    assert "1 passed" in empty.pytest(*scripted).stdout
    assert "1 passed" in empty.pytest(*recorded).stdout
    assert (empty.root / "cassettes/test_first_golden.test_answer.yaml").is_file()
    golden = empty.where(OPENAI_API_KEY="", TEST_MODE="GOLDEN")
    assert "1 passed" in golden.pytest(*replayed).stdout


def test_again_changes_nothing(tmp_path, init):
    """A second run finds everything there."""

    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'")
    init(tmp_path)
    before = files(tmp_path)
    _, said = init(tmp_path)

    assert files(tmp_path) == before
    assert "added" not in said
    assert tomllib.loads(before["pyproject.toml"].decode())["tool"]["replay"]


def test_leaves_what_is_there(tmp_path, init):
    """Files of the project keep every byte, and get only what they lack."""

    (tmp_path / "tests").mkdir()
    there = {
        "pyproject.toml": b'[tool.replay]\r\ncassettes = "tapes"\r\n',
        ".gitignore": b"dist/\r\n*.new",
        "tests/test_first_golden.py": b"",
    }
    for name, content in there.items():
        (tmp_path / name).write_bytes(content)
    init(tmp_path)
    found = files(tmp_path)

    assert found["pyproject.toml"] == there["pyproject.toml"]
    assert found["tests/test_first_golden.py"] == b""
    assert found[".gitignore"].startswith(there[".gitignore"])
    assert found[".gitignore"].decode().split().count("*.new") == 1
    assert "tapes/README.md" in found


def test_without_pyproject(tmp_path, init):
    """It gets one: without `environment` its episodes would not know where they were sent."""

    init(tmp_path)

    assert tomllib.loads(files(tmp_path)["pyproject.toml"].decode())["tool"]["replay"][
        "environment"
    ]
    assert "episodes/README.md" in files(tmp_path)


def test_dry_run(tmp_path, init):
    """--dry-run says what would be added, and adds nothing."""

    code, said = init(tmp_path, "--dry-run")

    assert (code, files(tmp_path)) == (0, {})
    assert "would add  cassettes/README.md" in said


@pytest.mark.parametrize(
    ("name", "content"),
    [("cassettes", "a file where the folder should be"), ("pyproject.toml", "tool = {}\n")],
)
def test_cannot_add(tmp_path, init, name, content):
    """What stands in the way is named, and stays as it is."""

    (tmp_path / name).write_text(content)
    code, said = init(tmp_path)

    assert code == 2
    assert f"{tmp_path / name}" in said
    assert said.endswith("Mend that, and again: replay init\n")
    assert (tmp_path / name).read_text() == content
