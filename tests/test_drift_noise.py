"""Drift told from noise: verdicts that the data carry, and no others."""

import random
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from replay.drift.kinds import Side
from replay.drift.noise import Floor
from replay.drift.report import LeftOut, Pair, Reporter, report
from replay.drift.trends import Staleness
from replay.drift.verdicts import Verdict
from replay.errors import MissingExtra
from tests.talking import call, run


def reported(*pairs):
    return report("old", "new", pairs)


def pair(name, before, after):
    return Pair(name, tuple(before), tuple(after))


def answers(*texts):
    return [run(call(answered=text)) for text in texts]


def test_equal_runs_do_not_drift():
    assert Verdict.NONE is reported(pair("a", [run(call())], [run(call(number=2))])).verdict


def test_an_answer_that_differs_once_is_not_known_to_be_drift():
    """With one recording a version there is no noise floor."""

    found = reported(pair("a", answers("hi"), answers("hello")))

    assert Verdict.UNKNOWN is found.verdict


def test_what_our_code_sends_needs_no_second_recording():
    """A replayed program sends the same when it is answered the same."""

    found = reported(pair("a", [run(call())], [run(call(seed=1))]))

    assert (found.sides[Side.REQUEST], found.sides[Side.RESPONSE]) == (Verdict.DRIFT, Verdict.NONE)


def test_one_episode_is_too_little():
    """Even with a noise floor, chance alone could have done that."""

    found = reported(pair("a", answers("hi", "hi"), answers("bye", "bye")))

    assert Verdict.INSUFFICIENT is found.verdict


def test_a_change_beyond_the_noise_is_drift():
    pairs = [pair(str(n), answers("hi", "hi"), answers("bye", "bye")) for n in range(10)]

    (judged,) = reported(*pairs).findings

    assert Verdict.DRIFT is judged.verdict
    assert (judged.estimate.shift, judged.estimate.episodes) == (1.0, 10)


def test_what_varies_in_one_version_is_noise():
    """Both versions answer now this, now that."""

    pairs = [pair(str(n), answers("hi", "bye"), answers("bye", "hi")) for n in range(10)]

    assert Verdict.WITHIN is reported(*pairs).verdict


def test_runs_of_one_version_are_seldom_flagged_and_a_shift_is_found():
    """The figures for 400 runs of each sort are printed by bench/drift.py; here are a few."""

    rng = random.Random(7)

    def flagged(shift):
        floor = Floor()
        for _ in range(30):
            for n in range(5):
                mean = rng.uniform(10, 1_000)
                now = mean * (1 + shift) if n == 0 else mean
                old, new = ([rng.gauss(m, m / 20) for _ in range(2)] for m in (mean, now))
                floor.values(f"field {n}", old, new)
        return {name for name, test in floor.tests().items() if test.verdict is Verdict.DRIFT}

    same = [flagged(0.0) for _ in range(12)]
    moved = [flagged(0.1) for _ in range(12)]

    assert sum(map(bool, same)) <= 2
    assert all("field 0" in fields for fields in moved)


def test_a_measure_has_its_sums_and_its_interval():
    """Tokens are added up, and the shift of a run lies in its confidence interval."""

    rng = random.Random(3)

    def spent(mean):
        return [run(call(tokens=round(rng.gauss(mean, mean / 50)))) for _ in range(2)]

    found = reported(*(pair(str(n), spent(1_000), spent(1_200)) for n in range(8)))
    tokens = next(m for m in found.measures if m.name == "tokens sent")

    assert tokens.before == pytest.approx(8_000, rel=0.05)
    assert tokens.change == pytest.approx(0.2, abs=0.05)
    assert tokens.estimate.interval[0] < 0.2 / 1.1 < tokens.estimate.interval[1]
    assert Verdict.DRIFT is tokens.verdict


def test_a_case_that_cannot_be_read_leaves_doubt():
    """No verdict is given on what was not compared; a new case is no doubt."""

    new = LeftOut("new", "only after")
    broken = LeftOut("cut", "it is cut off", broken=True)

    assert Verdict.NONE is reported(pair("a", [run()], [run()]), new).verdict
    assert Verdict.UNKNOWN is reported(pair("a", [run()], [run()]), broken).verdict


def test_measures_over_time_go_by_model_and_day():
    days = ["2026-01-05T10:00:00+00:00", "2026-02-05T10:00:00+00:00"]
    one, two = (run(call(tokens=n), clock=day) for n, day in zip((10, 30), days, strict=True))
    reporter = Reporter(now=datetime(2026, 3, 1, tzinfo=UTC))
    reporter.add(pair("a", [one], [two]))

    trends = reporter.report("old", "new").trends
    sent = next(trend for trend in trends if trend.measure == "tokens sent")

    assert sent.model == "gpt-4o-2024-08-06"
    assert ((date(2026, 1, 5), 10), (date(2026, 2, 5), 30)) == sent.points


def test_staleness_names_age_moved_aliases_and_retired_models():
    stale = Staleness(date(2026, 6, 1), max_age_days=90)
    stale.add("a", run(call(model="gpt-4-vision-preview"), clock="2026-01-01T00:00:00+00:00"))
    moved = call()
    stale.add("b", run(moved, clock="2026-05-30T00:00:00+00:00"))
    body = moved.response.body.replace(b"2024-08-06", b"2024-11-20")
    response = type(moved.response)(200, "OK", moved.response.headers, body)
    stale.add("b", run(type(moved)(moved.request, response), clock="2026-05-31T00:00:00+00:00"))

    assert (
        "gpt-4o answered as gpt-4o-2024-08-06, later as gpt-4o-2024-11-20: b" in stale.sentences()
    )
    assert "older than 90 days: a" in stale.sentences()


def test_another_model_that_was_asked_for_moves_no_alias():
    """The requests of such a recording are as the program made them: they name the alias."""

    stale = Staleness(date(2026, 6, 1), max_age_days=0)
    stale.add("b", run(call()))
    answered = call()
    body = answered.response.body.replace(b"gpt-4o-2024-08-06", b"gpt-4.1-2025-04-14")
    other = run(replace(answered, response=replace(answered.response, body=body)))
    stale.add("b", replace(other, manifest=replace(other.manifest, further="free-running")))

    assert stale.sentences() == ()


def test_the_extra_that_tells_noise_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(MissingExtra, match=r'pip install "golden-replay\[drift\]"'):
        reported(pair("a", answers("hi", "ho"), answers("hi", "ho")))
