"""Frozen-version replay: which recording is meant, what may move, other code, other packages."""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import metadata

import pytest

from replay.episodes.versions import resolve
from replay.errors import AmbiguousVersion, UnknownVersion
from replay.model import Episode
from tests.batches import episode, project_of, recording

OLD = recording(1, model="m-2024-08-06", alias="m", day="2026-08-01")
NEW = recording(1, model="m-2025-04-14", alias="m", day="2026-09-01", said="good")
SELF = recording(1, model="solo-1", alias="solo", day="2026-10-01", said="better")
BOTH = Episode("e0001", "program:main", {"n": 1}, (OLD, NEW, SELF))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", SELF),
        ("m-2024-08-06", OLD),
        ("m-2025-04-14", NEW),
        ("solo", SELF),
        ("baseline", OLD),
        ("@2026-08-31", OLD),
        ("@2026-09-01", NEW),
    ],
)
def test_version_resolves(version, expected):
    """By answered model, name, unambiguous alias, or day."""

    assert resolve(BOTH, version, {"baseline": "m-2024-08-06"}) is expected


def test_version_resolves_by_id():
    """In full, or by its beginning."""

    from replay.episodes.bundle import recording_id

    name = recording_id(NEW)
    assert resolve(BOTH, name) is resolve(BOTH, name[:12]) is NEW


def test_ambiguous_alias_lists_what_it_can_mean():
    """It was answered by two models."""

    with pytest.raises(AmbiguousVersion) as raised:
        resolve(BOTH, "m")

    assert [line.split()[1] for line in str(raised.value).splitlines()[1:3]] == [
        "m-2024-08-06,",
        "m-2025-04-14,",
    ]


@pytest.mark.parametrize("version", ["m-2023", "@2026-07-31", "@someday", "nope"])
def test_unknown_version_lists_what_there_is(version):
    """Never a guess, never a live call."""

    with pytest.raises(UnknownVersion) as raised:
        resolve(BOTH, version)

    assert len(str(raised.value).splitlines()) == 4


def test_each_version_agrees_with_its_own_output(tmp_path):
    """Today's code against each recording; exit 0."""

    project = project_of(tmp_path, [BOTH])
    for version in ("m-2024-08-06", "m-2025-04-14"):
        done = project.replay("frozen", "e0001", "--model", version)
        assert (done.returncode, "IDENTICAL" in done.stdout.splitlines()) == (0, True), done.stderr


def test_missing_version_names_the_command(tmp_path):
    """Exit 2: what there is, and what recording it would take."""

    done = project_of(tmp_path, [BOTH]).replay("frozen", "e0001", "--model", "gpt-4.1")

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "e0001 has no recording 'gpt-4.1'. There is:"
    assert done.stderr.splitlines()[-1].startswith(
        "To record it: replay record --from e0001 --model gpt-4.1  (about 0 calls"
    )


CHAT = """
import httpx

PROMPT = "Be kind."

def main(n):
    sent = {"model": "m", "temperature": 0, "messages": [{"role": "system", "content": PROMPT}]}
    return httpx.post("http://llm.test/v1/chat/completions", json=sent).json()["choices"]
"""


@pytest.fixture
def chat(tmp_path):
    """A program that sends a prompt, with the recording of one run of it."""

    from replay.model import Request

    found = recording(1, model="m-1")
    body = {"model": "m", "temperature": 0, "messages": [{"role": "system", "content": "Be kind."}]}
    request = Request(
        "POST",
        "http://llm.test/v1/chat/completions",
        (("content-type", "application/json"),),
        json.dumps(body).encode(),
    )
    call = found.interactions[0]
    answer = replace(call.response, body=b'{"model": "m-1", "choices": ["Hello"]}')
    found = replace(
        found, interactions=(replace(call, request=request, response=answer),), output=["Hello"]
    )
    project = project_of(tmp_path, [Episode("chat", "program:main", {"n": 1}, (found,))])
    return project.write("program.py", CHAT)


def frozen(project, *arguments):
    return project.replay("frozen", "chat", "--model", "m-1", *arguments)


def test_pinned_stops_at_the_first_divergence(chat):
    """With the field and both values."""

    done = frozen(chat.edit("program.py", "Be kind.", "Be brief."))

    assert done.returncode == 1
    assert "DIVERGED at step 1 (request)" in done.stdout.splitlines()
    assert "    sent:     'Be brief.'" in done.stdout.splitlines()


def test_auto_upgrade_reports_what_moved(chat):
    """A prompt may move: it is drift until it is acknowledged; another prompt is drift again."""

    upgrade = ("--policy", "auto-upgrade")
    chat.edit("program.py", "Be kind.", "Be brief.")
    moved = frozen(chat, *upgrade)
    taken = frozen(chat, *upgrade, "--acknowledge")
    later = frozen(chat, *upgrade)
    again = frozen(chat.edit("program.py", "Be brief.", "Be rude."), *upgrade)

    assert (moved.returncode, taken.returncode, later.returncode, again.returncode) == (1, 0, 0, 1)
    assert "#1 moved in its prompt:" in moved.stdout.splitlines()
    assert "EQUIVALENT" in later.stdout.splitlines()


def test_auto_upgrade_lets_nothing_else_move(chat):
    """Another temperature is a divergence, acknowledged or not."""

    chat.edit("program.py", '"temperature": 0', '"temperature": 1')
    done = frozen(chat, "--policy", "auto-upgrade", "--acknowledge")

    assert done.returncode == 1
    assert "Its parameters changed; only prompts and tools may move." in done.stdout.splitlines()


def test_manifest_is_told_line_by_line(chat):
    """What is enforced, what is the same, and what is not."""

    lines = json.loads(frozen(chat, "--json").stdout)["manifest"]
    how = {line["name"]: line["how"] for line in lines}

    assert (how["clock"], how["seed"], how["prompts"]) == ("enforced", "enforced", "same")
    assert how["python"] == "changed"  # the recording was made by no Python at all


def test_what_is_the_same_is_one_line(chat):
    """Packages are counted; what has changed is named, with both versions."""

    found = recording(1, model="m-1")
    versions = {
        "click": metadata.version("click"),
        "httpx": metadata.version("httpx"),
        "rich": "1.0",
    }
    found = replace(found, manifest=replace(found.manifest, packages=versions))
    project = project_of(chat.root, [Episode("other", "program:main", {"n": 1}, (found,))])
    lines = project.replay("frozen", "other", "--model", "m-1").stdout.splitlines()

    assert "same: sampling, prompts, tools, code, 2 packages" in lines
    assert [line.split() for line in lines if line.startswith("package")] == [
        ["package", "rich", "changed", "1.0", metadata.version("rich")]
    ]


def test_what_was_not_sent_is_not_the_same(chat):
    """A replay that stops at another prompt cannot say that prompts are as they were."""

    lines = json.loads(frozen(chat.edit("program.py", "Be kind.", "Be brief."), "--json").stdout)
    how = {line["name"]: line["how"] for line in lines["manifest"]}

    assert (how["prompts"], how["tools"], how["code"]) == ("unknown", "unknown", "same")


WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")


def git(project, *arguments):
    done = project.run("git", *WHO, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
SUBFOLDER = ("services/agent", "src/program.py")


@pytest.fixture(params=[("", "program.py"), SUBFOLDER], ids=["whole", "subfolder"])
def history(request, tmp_path):
    """
    Six revisions; at the fourth, the program begins to send something else.

    The project is the whole repository, or a folder in it with its modules in `src`.
    """

    root, where = tmp_path / request.param[0], request.param[1]
    root.mkdir(parents=True, exist_ok=True)
    project = project_of(root, [episode(1, model="m-1")])
    project.write(where, (root / "program.py").read_text())
    if where != "program.py":
        (root / "program.py").unlink()
    project.write(".gitignore", "episodes/\n__pycache__/\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    revisions = []
    for number in range(6):
        if number == 3:
            project.edit(where, "http://api.test/{n}", "http://api.test/{n}/new")
        project.write("notes.txt", str(number))
        git(project, "add", "-A")
        git(project, "commit", "-qm", f"Change {number}")
        revisions.append(git(project, "rev-parse", "HEAD"))
    return project, revisions


def test_code_of_another_revision(history):
    """Today's code diverges, that of the older revision agrees; the files here stay."""

    project, revisions = history
    today = project.replay("frozen", "e0001", "--model", "m-1")
    then = project.replay("frozen", "e0001", "--model", "m-1", "--code", revisions[2])

    assert (today.returncode, then.returncode) == (1, 0), then.stdout + then.stderr
    assert git(project, "status", "--porcelain") == ""
    assert len(git(project, "worktree", "list").splitlines()) == 1


def test_bisect_finds_the_revision(history):
    """Between a good and a bad one; and says so when the good one is none."""

    project, revisions = history
    found = project.replay("bisect", "e0001", "--good", revisions[0])
    refused = project.replay("bisect", "e0001", "--good", revisions[4])

    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-2:] == [
        f"{revisions[3][:12]} is the first revision that does not agree:",
        "  Change 3",
    ]
    assert (refused.returncode, "it does not agree there: DIVERGED" in refused.stderr) == (2, True)


@pytest.mark.parametrize("history", [("", "program.py")], indirect=True)
def test_bisect_says_what_it_cannot_tell(history):
    """Where nothing can be replayed at what is left, any of it may be the first."""

    project, revisions = history
    changed = (project.root / "program.py").read_text()
    git(project, "checkout", "-q", revisions[2])
    for text in ("not Python", changed):
        git(project.write("program.py", text), "commit", "-qam", "On")
    done = project.replay("bisect", "e0001", "--good", revisions[2])
    left = git(project, "rev-list", f"{revisions[2]}..").split()

    assert (done.returncode, [sha in done.stderr for sha in left]) == (2, [True, True]), done.stderr


@pytest.mark.parametrize("history", [SUBFOLDER], indirect=True)
def test_revision_without_the_project_is_told(history):
    """Its folder may be younger than the repository."""

    project, _ = history
    empty = git(project, "commit-tree", "-m", "Empty", EMPTY_TREE)
    done = project.replay("frozen", "e0001", "--model", "m-1", "--code", empty)

    assert (done.returncode, "there is no services/agent" in done.stderr) == (2, True), done.stderr


def test_without_fork_is_told(tmp_path):
    """On Windows, what needs no worker works, and what does says so."""

    project = project_of(tmp_path, [BOTH])
    forkless = "import os; del os.fork, os.killpg, os.setpgid; import replay.cli; replay.cli.main()"
    command = ("frozen", "e0001", "--model", "m-2024-08-06")
    here = project.run(sys.executable, "-c", forkless, *command)
    many = project.run(sys.executable, "-c", forkless, "batch", "--all")

    assert here.returncode == 0, here.stderr
    assert (many.returncode, many.stderr.count("need os.fork")) == (2, 1), many.stderr


def test_unknown_revision_is_told(history):
    """In git's words, exit 2."""

    project, _ = history
    done = project.replay("frozen", "e0001", "--model", "m-1", "--code", "no-such-thing")

    assert (done.returncode, "Needed a single revision" in done.stderr) == (2, True)


def wheel(folder, version):
    """A package `tinylib`, of which the version is all that there is."""
    path = folder / f"tinylib-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        info = f"tinylib-{version}.dist-info"
        file.writestr("tinylib.py", f"VERSION = {version!r}\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_with_another_package(tmp_path, installer):
    """It is seen by the program, and by nothing else; uv installs it where there is one."""

    (tmp_path / "bin").mkdir()
    if installer == "uv":
        if not (uv := shutil.which("uv")):
            pytest.skip("no uv on PATH; pip install uv")
        (tmp_path / "bin/uv").symlink_to(uv)
    project = project_of(tmp_path, [episode(1, model="m-1")]).where(PATH=str(tmp_path / "bin"))
    seen = "    import tinylib\n    n += tinylib.VERSION != '2.0'\n    if does"
    project.edit("program.py", "    if does", seen, count=1)
    command = ("frozen", "e0001", "--model", "m-1", "--with")
    two = project.replay(*command, f"tinylib @ {wheel(tmp_path, '2.0').as_uri()}")
    one = project.replay(*command, f"tinylib @ {wheel(tmp_path, '1.0').as_uri()}")

    assert (two.returncode, one.returncode) == (0, 1), two.stdout + two.stderr
