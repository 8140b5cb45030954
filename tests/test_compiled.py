"""Compiled cassettes: used when they are whole and of these very bytes, made again when not."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given

from replay.cassettes.compiled import KEPT, Compiled, cache_folder
from replay.cassettes.files import read_cassette, write_anew
from replay.cassettes.reading import CassetteFile
from replay.model import Interaction, Response
from tests.test_cassette_files import ALL, BEGAN, INTERACTIONS, WHOLE

LARGE = replace(WHOLE, response=Response(200, "OK", (), b"much " * 10_000))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.yaml"
    write_anew(path, (*ALL, LARGE), BEGAN)
    return path


def compiled(cache):
    """The one compiled form that lies there."""
    (found,) = cache.glob("*.v*")
    return found


@given(INTERACTIONS, INTERACTIONS)
def test_what_is_kept_is_what_was_read(tmp_path_factory, one, two):
    """Every field of every interaction, and what is said of the file."""

    made = CassetteFile("vcrpy v1", (one, two, one), BEGAN, ("#1: healed",))
    kept = Compiled(tmp_path_factory.mktemp("cache"))
    kept.keep(b"bytes", made)

    assert kept.load(b"bytes") == made


def test_a_second_reading_parses_nothing(path, cache, monkeypatch):
    """The compiled form answers; the parser is not asked."""

    first = read_cassette(path, cache=cache)
    monkeypatch.setattr("replay.cassettes.files.read_source", None)

    assert read_cassette(path, cache=cache) == first


def test_a_changed_cassette_is_read(path, cache):
    """The key is the content: a change that keeps size and time shows, too."""

    read_cassette(path, cache=cache)
    path.write_bytes(path.read_bytes().replace(b"much", b"many"))

    assert read_cassette(path, cache=cache).interactions[-1].response.body == b"many " * 10_000


@pytest.mark.parametrize("spot", [0, 30, 40, 60, 200, -1])
def test_a_corrupt_form_is_made_again(path, cache, spot):
    """One flipped byte anywhere: nobody hears of it, and the next reading finds it whole."""

    first = read_cassette(path, cache=cache)
    whole = compiled(cache).read_bytes()
    bent = bytearray(whole)
    bent[spot] ^= 1
    compiled(cache).write_bytes(bent)

    assert read_cassette(path, cache=cache) == first
    assert compiled(cache).read_bytes() == whole


@pytest.mark.parametrize("size", [0, 10, 35, 100, -1])
def test_a_truncated_form_is_made_again(path, cache, size):
    """As after a full disk."""

    first = read_cassette(path, cache=cache)
    whole = compiled(cache).read_bytes()
    compiled(cache).write_bytes(whole[:size])

    assert read_cassette(path, cache=cache) == first
    assert compiled(cache).read_bytes() == whole


def test_deleting_it_is_safe(path, cache):
    """The file alone, or the folder with it."""

    first = read_cassette(path, cache=cache)
    compiled(cache).unlink()

    assert read_cassette(path, cache=cache) == first


def test_a_cache_that_cannot_be_written_is_done_without(path, tmp_path):
    """A file where the folder should be, a read-only disk: the cassette is read."""

    blocked = tmp_path / "blocked"
    blocked.write_text("")

    assert read_cassette(path, cache=blocked / "cache").interactions == (*ALL, LARGE)


def test_a_project_cannot_bring_one_along(tmp_path, path, monkeypatch):
    """A pull request with a compiled form in any folder plays what its cassette says, not that."""

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "pyproject.toml").write_text("")
    for folder in (".replay/cache", ".cache/golden-replay/compiled", "."):
        Compiled(tmp_path / folder).keep(path.read_bytes(), CassetteFile("vcrpy v1", (WHOLE,)))

    assert read_cassette(path).interactions == (*ALL, LARGE)
    assert compiled(tmp_path / "home/golden-replay/compiled").is_file()


def test_without_a_home_there_is_none(monkeypatch):
    """`~` that stands for nothing would be a folder of the project."""

    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME")

    assert cache_folder() is None


def test_small_cassettes_have_none(tmp_path, cache):
    """They are read in the time that looking for it takes."""

    path = tmp_path / "small.yaml"
    write_anew(path, [WHOLE], BEGAN)
    read_cassette(path, cache=cache)

    assert not cache.exists()


def test_what_hangs_on_a_library_is_not_kept(cache):
    """A coding that cannot be undone here may be undone once its library is installed."""

    response = Response(200, "OK", (("Content-Encoding", "br"),), b"\x8b\x00\x80x\x03")
    Compiled(cache).keep(b"", CassetteFile("vcrpy v1", (Interaction(WHOLE.request, response),)))

    assert not cache.exists()


def test_it_does_not_grow_for_ever(cache):
    """Of too many, those that were not written for longest go."""

    cache.mkdir()
    for number in range(KEPT + 1):
        (cache / f"{number}.v1").write_bytes(b"")
    Compiled(cache).keep(b"", CassetteFile("vcrpy v1", (WHOLE,)))

    assert len(list(cache.iterdir())) == KEPT // 2 + 2
    assert Compiled(cache).load(b"") == CassetteFile("vcrpy v1", (WHOLE,))


READS = """
import sys
from pathlib import Path
from replay.cassettes.files import read_cassette

for _ in range(20):
    assert len(read_cassette(Path(sys.argv[1]), cache=Path(sys.argv[2])).interactions) == 6
    for path in Path(sys.argv[2]).glob("*.v*"):
        path.unlink(missing_ok=True)
"""


def test_processes_can_share_it(path, cache):
    """Each writes it whole and in one step, and copes with its going away."""

    command = [sys.executable, "-c", textwrap.dedent(READS), path, cache]
    started = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert not list(cache.glob("*.tmp"))


def test_only_values_stand_in_it(path, cache):
    """Nothing that could run: a header, JSON, numbers, bodies."""

    read_cassette(path, cache=cache)
    head, _, rest = compiled(cache).read_bytes().partition(b"\n")

    assert head.decode() == f"golden-replay compiled 2 {sys.byteorder}"
    assert rest[rest.index(b"{") :].startswith(b'{"form":"vcrpy v1","began":"2026-11-21T')
