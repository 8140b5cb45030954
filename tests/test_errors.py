"""Errors: what each is told, and that it crosses processes."""

import pickle

import pytest

from replay.errors import BudgetSpent, Damaged, NoEntrypoint, NotSaved, ReplayError, UnknownEpisode


@pytest.mark.parametrize(
    "error",
    [
        NotSaved("a.yaml", why="no space left"),
        Damaged(path="a.yaml", what="the file is empty"),
        BudgetSpent("1", "0.9", 3, is_known=False),
        NoEntrypoint("refund"),
        UnknownEpisode("refund", ["refunds", "orders"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_crosses_processes(error):
    """What an error was told, by place or by name, it is told still after pickling."""

    again = pickle.loads(pickle.dumps(error))

    assert error.args == again.args
    assert str(error) == str(again)


@pytest.mark.parametrize(
    ("given", "named"),
    [(("a", "b", "c", "d"), {}), (("a", "b"), {"path": "c"}), (("a", "b"), {"line": 1})],
)
def test_is_told_only_its_facts(given, named):
    """A fact that an error has no field for is refused, not dropped."""

    with pytest.raises(TypeError, match=r"^NotSaved is told: path, why, hint$"):
        NotSaved(*given, **named)


def test_holds_no_free_text():
    """The base is not raised with a sentence of its own: each thing that goes wrong has a class."""

    with pytest.raises(TypeError):
        ReplayError("something")
