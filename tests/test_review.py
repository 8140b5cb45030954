"""Review: what waits, why it waits, one decision for equal changes, and nothing is ever lost."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from replay.atomic import proposal
from replay.cassettes.files import read_cassette, write_cassette
from replay.config import Config
from replay.episodes import bundle
from replay.errors import Ambiguous, NothingPending, NothingToUndo
from replay.golden.changes import Drift, clustered, episode_change, golden_change
from replay.golden.differences import value_differences, word_diff
from replay.golden.extension import GoldenExtension
from replay.golden.pending import Decisions, chosen, pending
from replay.model import Episode, Interaction, Manifest, Recording, Request, Response
from replay.reports.review import change_lines, markdown

URL = "https://api.openai.com/v1/chat/completions"


@pytest.fixture
def config(tmp_path):
    """A project with three goldens that wait: two with the same edit, one with another."""
    (tmp_path / "pyproject.toml").write_text("[tool.replay]\n")
    for name, customer in (("a", "Ada"), ("b", "Bob"), ("c", "Cid")):
        was = {"reply": f"Hi {customer}, all is well.\nKind regards", "n": 1}
        now = {"reply": f"Hi {customer}, all is well.\nBest regards", "n": 1 if name != "c" else 2}
        waits(tmp_path / f"golden/{name}.json", was, now)
    return Config(root=tmp_path)


def waits(path, was, now):
    """Put a golden down, and what waits beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if was is not None:
        path.write_text(GoldenExtension.written(was))
    proposal(path).write_text(GoldenExtension.written(now))


def call(prompt, reply, tokens=10, elapsed=1.0):
    """One call to a model."""
    sent = {"model": "gpt-4o-2024-08-06", "messages": [{"role": "user", "content": prompt}]}
    answered = {
        "id": f"chatcmpl-{tokens}AbCdEfGh",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": reply}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5},
    }
    headers = (("content-type", "application/json"),)
    return Interaction(
        Request("POST", URL, headers, json.dumps(sent).encode()),
        Response(200, "OK", headers, json.dumps(answered).encode()),
        elapsed=elapsed,
    )


def tree(root):
    """Every file, and what is in it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".replay" not in path.parts
    }


def test_equal_edits_are_one_cluster(config):
    """Though the texts they were made in differ."""

    clusters = clustered(pending(config))

    assert [[c.path.stem for c in cluster.changes] for cluster in clusters] == [["a", "b"], ["c"]]


def test_950_equal_changes_are_one_decision(tmp_path):
    """One command decides on all of them."""

    for number in range(950):
        was, now = ({"reply": f"Order {number} {word} shipped"} for word in ("was", "is"))
        waits(tmp_path / f"golden/t{number}.json", was, now)
    config = Config(root=tmp_path)
    (cluster,) = clustered(pending(config))
    Decisions(config).accept(chosen(pending(config), cluster.id))

    assert len(cluster.changes) == 950
    assert pending(config) == ()
    assert "Order 7 is shipped" in (tmp_path / "golden/t7.json").read_text()


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_decisions_can_be_undone_to_the_byte(config, verb):
    """Also by a later process, the last first."""

    before = tree(config.root)
    getattr(Decisions(config), verb)(chosen(pending(config), "a"))
    between = tree(config.root)
    getattr(Decisions(config), verb)(chosen(pending(config), "all"))
    Decisions(config).undo()
    first = tree(config.root)
    Decisions(config).undo()

    assert "golden/a.json.new" not in between
    assert (between["golden/a.json"] == before["golden/a.json"]) == (verb == "reject")
    assert first == between
    assert tree(config.root) == before
    with pytest.raises(NothingToUndo):
        Decisions(config).undo()


def test_a_new_golden_is_taken_back_too(tmp_path):
    """It was not there, so it is not there again."""

    waits(tmp_path / "golden/new.json", None, {"a": 1})
    config = Config(root=tmp_path)
    before = tree(tmp_path)
    Decisions(config).accept(pending(config))
    accepted = tree(tmp_path)
    Decisions(config).undo()

    assert list(accepted) == ["golden/new.json"]
    assert tree(tmp_path) == before


def test_a_golden_is_decided_with_its_cassette(config):
    """What came out and what was answered belong together; the prompt is named as the cause."""

    cassette = config.root / "cassettes/a.yaml"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    write_cassette(cassette, [call("Be brief, kind and exact.", "Kind regards")], began)
    new = [call("Be brief and exact.", "Best regards", tokens=8, elapsed=2.5)]
    write_cassette(proposal(cassette), new, began)
    (change,) = chosen(pending(config), "a")
    told = "\n".join(change_lines(change))
    Decisions(config).accept([change])

    assert change.drifts == (Drift.REQUEST, Drift.RESPONSE, Drift.OUTPUT)
    assert "request drift · step 1, prompt: messages[0].content" in told
    assert "Be brief[-, kind-] and exact." in told
    assert "[-Kind-]{+Best+} regards" in told
    assert "tokens 15 → 13 (-2)" in told
    assert "latency 1.0 s → 2.5 s" in told
    assert "chatcmpl" not in told
    assert read_cassette(cassette).interactions == tuple(new)
    assert not proposal(cassette).exists()


@pytest.mark.parametrize(
    ("new", "verb"),
    [
        ([call("Be short.", "Hi")], "replay cassettes adopt"),
        ([call("Be kind.", "Hello")], "pytest --record-failed"),
        ([], "pytest --record-failed"),
    ],
)
def test_a_cassette_that_waits_alone_has_a_verb_of_its_own(tmp_path, new, verb):
    """A failing run may have recorded half of it: no accepting; rejecting can be undone."""

    cassette = tmp_path / "cassettes/a.yaml"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    write_cassette(cassette, [call("Be kind.", "Hi")], began)
    write_cassette(proposal(cassette), new, began)
    config = Config(root=tmp_path)
    (change,) = pending(config)

    assert verb in change.verb
    with pytest.raises(NothingPending):
        chosen(pending(config), "all")
    waiting = proposal(cassette).read_bytes()
    decisions = Decisions(config)
    decisions.reject(chosen(pending(config), "all", reject=True))
    assert not proposal(cassette).exists()
    decisions.undo()
    assert proposal(cassette).read_bytes() == waiting


def test_a_beginning_of_a_test_will_do(config):
    """If it is one test's only: of its stem, or of its own name."""

    for name in ("test_a.test_pay", "test_a.test_pay@note", "test_b.test_paper"):
        waits(config.root / f"golden/{name}.json", 1, 2)
    waiting = pending(config)
    found = {
        given: {c.path.stem for c in chosen(waiting, given)} for given in ("test_a", "test_pap")
    }

    assert found["test_a"] == {"test_a.test_pay", "test_a.test_pay@note"}
    assert found["test_pap"] == {"test_b.test_paper"}
    with pytest.raises(Ambiguous, match=r"test_a\.test_pay\n  test_b\.test_paper"):
        chosen(waiting, "test_pa")
    with pytest.raises(NothingPending):
        chosen(waiting, "")


def test_a_cassette_that_waits_alone_is_shown_in_a_terminal(tmp_path):
    """There is no key for it, but it is not kept silent about."""

    cassette = tmp_path / "cassettes/a.yaml"
    write_cassette(proposal(cassette), [call("Be kind.", "Hi")], datetime(2026, 1, 1, tzinfo=UTC))
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "replay", "review"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=child, stdout=child) as process:
        os.close(child)
        assert process.wait(30) == 1
        seen = os.read(parent, 65536).decode()
    os.close(parent)

    assert "replay review --reject a" in seen


def test_an_episode_shows_the_recording_that_was_added(tmp_path):
    """A newer one, or one of another model, which is no current one."""

    plain = Manifest(clock="2026-01-01T00:00:00+00:00", pinned=True, seed=0)
    further = replace(plain, further="free-running")
    first, newer, other = (
        Recording(manifest, (call("Hi?", reply),), output=reply)
        for manifest, reply in ((plain, "one"), (plain, "two"), (further, "three"))
    )
    old = Episode("case", "a:b", {}, (first,))
    changes = [
        episode_change(
            tmp_path / "case.jsonl",
            bundle.dump(old).encode(),
            bundle.dump(replace(old, recordings=(first, added))).encode(),
        )
        for added in (newer, other)
    ]

    shown = [[step.difference.now for step in change.steps] for change in changes]
    assert [["two" in s, "three" in s] for s in map(str, shown)] == [[True, False], [False, True]]


def test_tool_arguments_are_shown_as_structure():
    """Field by field; an item that was added is one difference."""

    was = {"calls": [{"name": "refund", "arguments": {"order": 1042, "amount": 10}}]}
    now = {
        "calls": [
            {"name": "get_order", "arguments": {"order": 1042}},
            {"name": "refund", "arguments": {"order": 1042, "amount": 12}},
        ]
    }

    assert [(d.path, d.recorded, d.now) for d in value_differences(was, now)][-1] == (
        "calls[1]",
        "(absent)",
        {"name": "refund", "arguments": {"order": 1042, "amount": 12}},
    )
    assert [d.path for d in value_differences(now, {"calls": now["calls"][1:]})] == ["calls[0]"]


def test_word_diffs_leave_out_what_is_far_away():
    """Long texts are cut to what changed."""

    was = "word " * 200 + "kind" + " word" * 200
    shown = word_diff(was, was.replace("kind", "brief"))

    assert "[-kind-]{+brief+}" in shown
    assert len(shown) < 150


def test_markdown_is_capped(tmp_path):
    """A comment takes so much, and what is left out is counted."""

    changes = [
        golden_change(
            tmp_path / f"golden/{n}.json", f'"a{n}"'.encode(), json.dumps(f"{n}``` " * 40).encode()
        )
        for n in range(400)
    ]
    text = markdown(clustered(changes), base="origin/main", limit=20_000)

    assert len(text) < 20_000
    assert "400 changes in 400 clusters since `origin/main`" in text
    assert "more: `replay review` shows all" in text
    assert "\n````\n" in text


def replay(config, *arguments, **env):
    """Run the command in the project."""
    return subprocess.run(
        [sys.executable, "-m", "replay", *arguments],
        cwd=config.root,
        env=os.environ | {"GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": ""} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_terminal_the_commands_are_printed(config):
    """Exactly as they are to be run."""

    shown = replay(config, "review")
    command = next(line for line in shown.stdout.splitlines() if "accept:" in line)
    machine = json.loads(replay(config, "review", "--json").stdout)
    done = replay(config, *command.split()[2:])
    unknown = replay(config, "review", "--accept", "nope")

    assert shown.returncode == 1
    assert "[-Kind-]{+Best+} regards" in shown.stdout
    assert [len(cluster["files"]) for cluster in machine["clusters"]] == [2, 1]
    assert machine["clusters"][0]["drifts"] == ["output drift"]
    assert done.stdout.splitlines() == [
        f"Accepted {config.root}/golden/{name}.json" for name in "ab"
    ]
    assert (unknown.returncode, "Waiting: c.json" in unknown.stderr) == (2, True)


def test_with_a_terminal_one_key_decides(config):
    """Accept, undo, skip, reject; what was skipped still waits."""

    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "replay", "review"],
        cwd=config.root,
        stdin=child,
        stdout=child,
        stderr=child,
        env=os.environ | {"TERM": "dumb"},
    ) as process:
        os.close(child)
        for number, pressed in enumerate("ausr", 1):
            wait_for_prompt(parent, process, number)
            os.write(parent, pressed.encode())
        assert process.wait(30) == 1
    os.close(parent)

    assert proposal(config.root / "golden/a.json").exists()
    assert "Kind regards" in (config.root / "golden/a.json").read_text()
    assert not proposal(config.root / "golden/c.json").exists()
    assert '"n": 1' in (config.root / "golden/c.json").read_text()


def wait_for_prompt(parent, process, number, seen={}):  # noqa: B006 - what came so far
    """Wait until the prompt of that number is there, and the terminal gives single keys."""
    while seen.setdefault(parent, "").count("[q]uit") < number:
        if not select.select([parent], [], [], 30)[0]:
            process.kill()
        seen[parent] += os.read(parent, 65536).decode()
    while termios.tcgetattr(parent)[3] & termios.ICANON and process.poll() is None:
        time.sleep(0.01)


def git(root, *arguments):
    """Run git as somebody."""
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def test_a_pull_request_shows_what_it_changes(config, tmp_path):
    """Between two revisions of a real repository; clustered, annotated, and as one HTML file."""

    root = config.root
    cassette = root / "cassettes/a.yaml"
    began = datetime(2026, 1, 1, tzinfo=UTC)
    write_cassette(cassette, [call("Be kind.", "Hi")], began)
    for path in root.glob("golden/*.new"):
        path.rename(path.with_suffix(".later"))
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "Before")
    git(root, "switch", "-c", "work")
    for path in root.glob("golden/*.later"):
        path.rename(path.with_suffix(""))
    write_cassette(cassette, [call("Be brief.", "Hi")], began)
    (root / "golden/new[1].json").write_text("1\n")  # as of a parametrized test
    (root / "golden/c.json").unlink()
    summary = tmp_path / "summary.md"
    shown = replay(
        config,
        *("review", "--base", "main", "--markdown"),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    page = replay(config, "review", "--base", "main", "--html", "review.html")
    nothing = replay(config, "review", "--base", "HEAD~9", "--markdown")

    assert shown.returncode == page.returncode == 1
    assert "5 changes in 4 clusters since `main`" in shown.stdout
    assert "a.json, b.json · golden · output drift" in shown.stdout
    assert "new[1].json · golden · new" in shown.stdout
    assert "c.json · golden · gone" in shown.stdout
    assert "Be [-kind-]{+brief+}." in shown.stdout
    assert summary.read_text() in shown.stdout
    assert "::notice file=golden/a.json,title=" in shown.stderr
    assert "<del>[-Kind-]</del><ins>{+Best+}</ins>" in (root / "review.html").read_text()
    assert (nothing.returncode, "git cannot compare" in nothing.stderr) == (2, True)
