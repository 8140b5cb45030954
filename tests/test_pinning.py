"""Pinning: clock, seeds, uuids and time zone are those we choose, and afterwards the host's."""

import asyncio
import os
import random
import secrets
import time
import uuid
from datetime import UTC, datetime

import numpy

from replay.golden.pinning import environment, pinned

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def draw() -> list[object]:
    """What a program sees of chance and time."""
    return [
        random.random(),
        uuid.uuid4(),
        uuid.uuid1(),
        datetime.now(UTC),
        datetime.now(),
        time.time(),
        time.localtime().tm_hour,
    ]


def test_equal_pins_give_equal_draws():
    """Twice the same, and with another seed something else."""

    found = []
    for seed in (1, 1, 2):
        with pinned(START, seed, waits=False):
            found.append(draw())

    assert found[0] == found[1]
    assert found[0][1] != found[2][1]
    assert found[0][3] == START
    assert found[0][6] == 8


def test_generators_without_a_seed_are_seeded():
    """`random.Random()` and numpy's, which would ask the system for one."""

    found = []
    for seed in (1, 1, 2):
        with pinned(START, seed, waits=False):
            found.append((random.Random().random(), numpy.random.default_rng().random()))
    outside = [(random.Random().random(), numpy.random.default_rng().random()) for _ in range(2)]

    assert found[0] == found[1] != found[2]
    assert outside[0] != outside[1]


def test_secrets_are_pinned_on_demand():
    """And nowhere else: afterwards they are secrets again."""

    found = []
    for _ in range(2):
        with pinned(START, 0, waits=False, secrets=True):
            found.append((secrets.token_hex(), random.SystemRandom().random()))

    assert found[0] == found[1]
    assert secrets.token_hex() != secrets.token_hex()


def test_everything_is_put_back():
    """Afterwards chance is chance, and the clock runs."""

    random.seed(5)
    expected = random.random()
    random.seed(5)
    with pinned(START, 0, waits=False):
        random.random()

    assert random.random() == expected
    assert uuid.uuid4() != uuid.uuid4()
    assert abs(time.time() - START.timestamp()) > 1 or datetime.now(UTC) != START


def test_sleeping_moves_the_clock_and_takes_no_time():
    """An hour of back-off replays at once."""

    with pinned(START, 0, waits=False):
        time.sleep(3600)
        asyncio.run(asyncio.sleep(3600))
        hours = (datetime.now(UTC) - START).total_seconds() / 3600

    assert hours == 2


def test_clock_moves_when_told_and_never_back():
    """A response that ended later than another one moves it, an earlier one does not."""

    with pinned(START, 0, waits=False) as clock:
        clock.reach(2.5)
        clock.reach(1.0)

        assert (datetime.now(UTC) - START).total_seconds() == 2.5


def test_secrets_stay_unpredictable():
    """Only `uuid` is seeded: a token made under a pinned clock is still a secret."""

    found = []
    for _ in range(2):
        with pinned(START, 0, waits=False):
            found.append(os.urandom(16))

    assert found[0] != found[1]


def test_environment_is_set_and_put_back(monkeypatch):
    """Recorded variables are there, others of the list are not, missing keys are filled."""

    monkeypatch.setenv("A_URL", "outer")
    monkeypatch.setenv("B_URL", "outer")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    before = dict(os.environ)
    with environment({"A_URL": "inner"}, ["A_URL", "B_URL"]):
        seen = [os.environ.get(name) for name in ("A_URL", "B_URL", "OPENAI_API_KEY")]

    assert seen == ["inner", None, "replay-placeholder"]
    assert dict(os.environ) == before
