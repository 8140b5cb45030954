"""Normalization: what varies becomes a placeholder, and everything else stays."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import NotJson
from replay.golden.normalization import normalized, plain

UUID_1 = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UUID_2 = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T08:00:00Z",
        "2026-11-21T08:00:00.123456+00:00",
        "2026-11-21 08:00:00",
        "2026-11-21T08:00:00+0100",
    ],
)
def test_timestamps_become_placeholders(text):
    """In the usual spellings."""

    assert normalized(f"at {text}.") == "at <timestamp:1>."


@pytest.mark.parametrize("text", ["2026-03-06", "order 1042", "resp_1", "v1.2.3", "12:30"])
def test_what_carries_meaning_stays(text):
    """A date in an answer is an answer."""

    assert normalized(text) == text


def test_equal_values_have_equal_numbers():
    """So that what belonged together still shows."""

    value = {"id": UUID_1, "other": UUID_2, "text": f"see {UUID_1}", "call": "call_kBMwIROCvBfeQ"}

    assert normalized(value) == {
        "id": "<uuid:1>",
        "other": "<uuid:2>",
        "text": "see <uuid:1>",
        "call": "<id:1>",
    }


@given(
    st.recursive(
        st.text()
        | st.sampled_from([UUID_1, UUID_2, "<uuid:2>", "2026-11-21T08:00:00Z", "call_aaaaaaaa"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_normalization_is_idempotent(value):
    """Doing it again changes nothing."""

    once = normalized(value)

    assert normalized(once) == once


@dataclasses.dataclass
class Point:
    x: int


class Answer(pydantic.BaseModel):
    id: UUID
    at: datetime


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1), {"x": 1}),
        (
            Answer(id=UUID(UUID_1), at=datetime(2026, 1, 2, tzinfo=UTC)),
            {"id": UUID_1, "at": "2026-01-02T00:00:00Z"},
        ),
        ((1, {"a"}, None), [1, ["a"], None]),
        (float("nan"), "NaN"),
    ],
)
def test_values_become_json_without_help(value, expected):
    """Models, dataclasses, tuples, sets, dates."""

    assert plain(value) == expected


def test_what_has_no_json_form_is_told():
    """With what it was."""

    with pytest.raises(NotJson, match=r"The output has to be JSON: .*object"):
        plain(object())
