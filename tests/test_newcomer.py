"""What a first hour with it stumbled over, and is told now."""

import pytest

from replay.cassettes.tape import Tape
from replay.errors import CassetteMiss
from replay.model import Interaction, Request, Response

TEST = """
import pytest


@pytest.mark.golden
@pytest.mark.parametrize("n", [1, 2])
def test_it(golden, n):
    assert n == golden
"""


def test_golden_tests_are_not_skipped_in_silence(project):
    """A plain `pytest` says how many golden tests it left out, and the command that runs them."""

    done = project.write("test_it.py", TEST).pytest("test_it.py")

    assert "= golden tests skipped: 2 =" in done.stdout
    assert "\nPlay their cassettes: TEST_MODE=GOLDEN pytest\n" in done.stdout


def test_recorded_against_another_host():
    """A base URL that is not set as it was is told as such, not as a new call."""

    asked = Request("POST", "http://127.0.0.1:8377/v1/responses", (), b"{}")
    tape = Tape([Interaction(asked, Response(200, "OK", ()))])

    with pytest.raises(CassetteMiss) as miss:
        tape.answer(Request("POST", "https://api.openai.com/v1/responses", (), b"{}"))

    assert str(miss.value).splitlines()[1:5] == [
        "Closest is #1; it differs in its address:",
        "  url",
        "    recorded: 'http://127.0.0.1:8377/v1/responses'",
        "    sent:     'https://api.openai.com/v1/responses'",
    ]
