"""Other systems: their line ends, names, terminals, and what they do not have."""

import subprocess

import pytest
from click.testing import CliRunner

from replay.cli import main
from replay.config import Config
from replay.episodes import bundle
from replay.episodes.folder import export_bundle
from replay.episodes.store import Store
from replay.errors import Damaged
from replay.golden.revisions import changes_since
from replay.model import Episode
from tests.talking import call, run

SAID = run(call(), output="Hi\r\nthere", clock="2026-11-21T08:00:00+00:00")
EPISODE = Episode("a", "program:main", {}, (SAID,))


def git(folder, *arguments):
    """Run git as somebody whose git writes Windows' line ends."""
    own = ("-c", "core.autocrlf=true", "-c", "core.safecrlf=false", "-c", "user.name=a")
    subprocess.run(["git", *own, "-c", "user.email=a@b", *arguments], cwd=folder, check=True)


def test_a_bundle_with_other_line_ends_is_the_same():
    """What git checks out on Windows is what was committed on Linux."""

    assert bundle.load(bundle.dump(EPISODE).replace("\n", "\r\n")) == EPISODE


def test_a_review_sees_no_line_ends(tmp_path):
    """One line was added to a text that git has checked out with other line ends."""

    path = tmp_path / "golden" / "a.md"
    path.parent.mkdir()
    path.write_bytes(b"Hi\nthere\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "golden")
    git(tmp_path, "commit", "-qm", "first")
    path.write_bytes(b"Hi\r\nthere\r\nyou\r\n")

    (change,) = changes_since(Config(root=tmp_path), "HEAD")

    assert (change.steps[0].difference.recorded, change.steps[0].difference.now) == (
        "Hi\nthere\n",
        "Hi\nthere\nyou\n",
    )


def test_a_terminal_that_lacks_a_character_is_shown_its_number(tmp_path):
    """Exit code 1 says that something drifted: a console's encoding must not."""

    (tmp_path / "said.txt").write_text("5 → 6", "utf-8")

    done = CliRunner(charset="ascii").invoke(main, ["normalize", str(tmp_path / "said.txt")])

    assert (done.exit_code, done.stdout) == (0, "5 \\u2192 6\n")


def test_a_stem_is_no_device_of_windows(project):
    """A cassette `aux.yaml` could not be checked out there."""

    project.write(
        "test_it.py",
        'import pytest\n@pytest.mark.golden("aux")\ndef test_it(): pass\n',
    ).pytest("--collect-only", "--golden-stems=stems", "test_it.py")

    assert (project.root / "stems").read_text("utf-8") == "golden _aux\n"


def test_a_bundle_of_another_episode_is_not_overwritten(tmp_path):
    """Where `a.jsonl` and `A.jsonl` are one file, the second of them is refused."""

    path = tmp_path / "a.jsonl"
    path.write_text(other := bundle.dump(Episode("A", "b:c", {}, (SAID,))), "utf-8")

    with Store(tmp_path / "x.db") as store:
        store.add(EPISODE)
        with pytest.raises(Damaged, match="holds the episode 'A'"):
            export_bundle(store, "a", tmp_path)

    assert path.read_text("utf-8") == other
