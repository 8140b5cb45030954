"""Normalization: what varies becomes a placeholder, and everything else stays."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replay.config import Config, Normalization, NormalizationRule, load_config
from replay.errors import BadSetting
from replay.golden.built_in import DEFAULT_RULES, FURTHER_RULES
from replay.golden.chosen import changed, rules_of
from replay.golden.normalization import Touch, explained, normalized
from replay.golden.rules import Do, at, key, of_type, pattern, rounded

UUID_1 = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UUID_2 = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
ALL_RULES = (*DEFAULT_RULES, *FURTHER_RULES)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T08:00:00Z",
        "2026-11-21T08:00:00.123456+00:00",
        "2026-11-21 08:00:00",
        "2026-11-21 08:00:00,123",
        "2026-11-21T08:00:00+0100",
        "2026-11-21T08:00Z",
        "20261121T080000Z",
        "Sat, 21 Nov 2026 08:14:30 GMT",
        "Sat, 1 Nov 2026 08:14:30 +0100",
        "Sat Nov 21 08:14:30 2026",
        "Sat Nov  1 08:14:30 UTC 2026",
        "21/Nov/2026:08:14:30 +0000",
    ],
)
def test_timestamps_become_placeholders(text):
    """In the usual spellings."""

    assert normalized(f"at {text}.") == "at <timestamp:1>."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("call_kBMwIROCvBfeQ", "<id:1>"),
        ("chatcmpl-C8zXqPzJ0VvJm7Hn", "<id:1>"),
        ("toolu_01A09q90qw90lq917835lq9", "<id:1>"),
        ("msg_013Zva2CMHLNnXjNJJKqJ2EF", "<id:1>"),
        ("fp_44709d6fcb", "<fingerprint:1>"),
        ("see req_011CSHoEeqs5C35K2UUqR7Fy now", "see <request:1> now"),
        ({"x-request-id": "abc", "X-Request-ID": "abc"}, {}),
        ({"created": 1795248870}, {"created": "<created:1>"}),
        ({"expires_at": 1795248870123}, {"expires_at": "<created:1>"}),
        ({"system_fingerprint": "anything"}, {"system_fingerprint": "<fingerprint:1>"}),
        ({"elapsed_ms": 12.5, "latency": 3}, {"elapsed_ms": "<duration:*>", "latency": ...}),
        ("<Agent object at 0x7f3c1a2b3c40>", "<Agent object at <address:1>>"),
        ("http://127.0.0.1:43127/v1", "http://127.0.0.1:<port:1>/v1"),
        ("/tmp/pytest-of-ann/pytest-12/test_x0/out.txt", "<tmp:1>/out.txt"),
        ("/tmp/tmpa1b2c3d4/out.txt", "<tmp:1>/out.txt"),
        ("/private/var/folders/zz/zyxvpxvq6/T/tmpa1b2c3d4", "<tmp:1>"),
        (r"C:\Users\ann\AppData\Local\Temp\tmpa1b2c3d4\out.txt", r"<tmp:1>\out.txt"),
        (0.1 + 0.2, 0.3),
        ("e\u0301", "é"),
        ("one\r\ntwo", "one\ntwo"),
        ({"embedding": [0.5] * 1536}, {"embedding": "<embedding-1536:1>"}),
    ],
)
def test_what_no_two_runs_share_becomes_a_placeholder(value, expected):
    """Of the built-in rules, each."""

    found = normalized(value)

    if isinstance(expected, dict):
        expected = {k: v for k, v in expected.items() if v is not ...}
        assert {k: found[k] for k in expected} == expected
        assert found != value
    else:
        assert found == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-06",
        "order 1042",
        "resp_1",
        "v1.2.3",
        "12:30",
        "2026-03-06 12:30",
        "call_customer",
        "run_migrations",
        "item_10421042",
        "msg_received",
        "file-management",
        "ORD-20261121",
        "localhost:8080",
        "0xdeadbeef",
        "/tmp/report.txt",
        "It took 3 s.",
        "“quoted”  twice\u00a0",
        129.9,
        -0.0,
        1e300,
        12345678.25,
        {"created": 5, "created_at": True, "timestamp": "soon"},
        {"id": 42, "order_id": "1042", "duration": 120, "latency": "low"},
        {"embedding": [1.0, 2.0], "prices": [1.5] * 64},
    ],
)
def test_what_carries_meaning_stays(value):
    """A date in an answer is an answer; so is an order's number, a price, and a word."""

    assert normalized(value) == value


def test_equal_values_have_equal_numbers():
    """So that what belonged together still shows."""

    value = {"id": UUID_1, "other": UUID_2, "text": f"see {UUID_1}", "call": "call_kBMwIROCvBfeQ"}

    assert normalized(value) == {
        "id": "<uuid:1>",
        "other": "<uuid:2>",
        "text": "see <uuid:1>",
        "call": "<id:1>",
    }


SAMPLES = st.sampled_from(
    [
        UUID_1,
        UUID_2,
        "<uuid:2>",
        "<uuid:*>",
        "2026-11-21T08:00:00Z",
        "2026-11-21T08:00:00:",
        "call_aaaaaaaaBB1",
        "call_KKKKKKKK1",  # one of them is a Kelvin sign, which NFC makes a letter
        "\u0338",
        "at 0x7f3c1a2b3c40",
        "localhost:43127",
        "/tmp/tmpa1b2c3d4",
        "Sat, 21 Nov 2026 08:14:30 GMT",
        "took 1.5 s",
        " \u00a0\r\n",
        "“",
        "req_011CSHoE",
        "1",
        ":",
    ]
)
TEXTS = st.lists(SAMPLES | st.text(max_size=6), max_size=6).map("".join)
KEYS = st.text(max_size=4) | st.sampled_from(
    ["created", "x_at", "embedding", "request_id", "system_fingerprint", "elapsed_ms", "tags"]
)
VALUES = st.recursive(
    TEXTS | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OWN = (
    key("tags", do=Do.SORT),
    key("x_at", "*_id"),
    pattern(r"[0-9]+", "digits"),
    pattern(r"[^a-z]a", "odd"),
    of_type(type(None), Do.DROP),
)


@settings(max_examples=300)
@given(VALUES, st.sampled_from([DEFAULT_RULES, ALL_RULES, (*OWN, *ALL_RULES)]))
@example(f"{UUID_1}\u0338", DEFAULT_RULES)
@example(["<uuid:1>\u0338"], ALL_RULES)
def test_normalization_is_idempotent(value, rules):
    """Doing it again changes nothing, whatever the rules put beside each other."""

    once = normalized(value, rules)

    assert normalized(once, rules) == once


def test_work_grows_with_the_input_and_no_faster():
    """Counted in calls of a rule; a clock would only guess."""

    calls = []

    def counted(value):
        calls.append(len(value))
        return value

    def work(times):
        calls.clear()
        rules = (*DEFAULT_RULES, of_type(str, counted), key("tags", do=Do.SORT))
        turn = {"id": UUID_1, "text": f"{UUID_2} at 2026-11-21T08:00:00Z ", "tags": ["b", "a"]}
        normalized([{**turn, "n": f"{n} {UUID_1}"} for n in range(times)], rules)
        return sum(calls)

    assert work(400) < 2.2 * work(200)


def test_unordered_lists_agree_whatever_the_order_of_their_ids():
    """What is sorted is what is left without the numbers; they are given afterwards."""

    rules = (key("calls", do=Do.SORT), *DEFAULT_RULES)
    one = [{"id": UUID_1, "tool": "refund"}, {"id": UUID_2, "tool": "order"}]

    assert normalized({"calls": one}, rules) == normalized({"calls": one[::-1]}, rules)
    assert normalized({"calls": one}, rules) == {
        "calls": [{"id": "<uuid:1>", "tool": "order"}, {"id": "<uuid:2>", "tool": "refund"}]
    }


def test_masks_do_not_tell_equal_from_different():
    """Two durations may be equal by chance."""

    assert normalized({"elapsed": 1.5, "latency": 1.5}) == normalized({"elapsed": 1, "latency": 2})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (at("items[*].sku"), {"items": [{"sku": "<sku:1>"}, {"sku": "<sku:2>"}], "n": 2.26}),
        (at("$.items[1]", Do.DROP), {"items": [{"sku": "B-1"}], "n": 2.26}),
        (key("SKU", do=Do.DROP), {"items": [{}, {}], "n": 2.26}),
        (key("s*", name="x"), {"items": [{"sku": "<x:1>"}, {"sku": "<x:2>"}], "n": 2.26}),
        (key("items", do=Do.SORT), {"items": [{"sku": "A-1"}, {"sku": "B-1"}], "n": 2.26}),
        (
            pattern(r"[AB]-(\d)", "n"),
            {"items": [{"sku": "B-<n:1>"}, {"sku": "A-<n:1>"}], "n": 2.26},
        ),
        (of_type(float, rounded(2)), {"items": [{"sku": "B-1"}, {"sku": "A-1"}], "n": 2.3}),
        (
            key("n", do=int),
            {"items": [{"sku": "B-1"}, {"sku": "A-1"}], "n": 2},
        ),
    ],
)
def test_rules_of_ones_own(rule, expected):
    """By path, key, pattern and type; what is done with what they find."""

    value = {"items": [{"sku": "B-1"}, {"sku": "A-1"}], "n": 2.26}

    assert normalized(value, changed(DEFAULT_RULES, [rule])) == expected


def test_the_first_rule_wins():
    """One's own come before the built-in ones."""

    rules = changed(DEFAULT_RULES, [key("ticket")])

    assert normalized({"ticket": UUID_1, "id": UUID_1}, rules) == {
        "ticket": "<ticket:1>",
        "id": "<uuid:1>",
    }


def test_rules_are_taken_away_by_name():
    """All of that name."""

    rules = changed(DEFAULT_RULES, ["-uuid", "-fingerprint", "whitespace"])

    assert normalized([UUID_1, "fp_44709d6fcb", "a  b"], rules) == [UUID_1, "fp_44709d6fcb", "a b"]


def project(**settings) -> Config:
    return Config(root=Path("/srv/shop"), normalize=Normalization(**settings))


def test_settings_are_rules():
    """The order in which they get their turn included."""

    rules = rules_of(
        project(
            remove=("float",),
            add=("date",),
            order=("uuid",),
            rules={
                "order": NormalizationRule(pattern=r"ORD-\d+"),
                "total": NormalizationRule(key=("total",), do="round", digits=2),
            },
        )
    )
    value = {"total": 12.345, "text": f"ORD-1 {UUID_1} 2026-03-06", "at": "/srv/shop/out.txt"}

    assert rules[0].name == "uuid"
    assert "float" not in {rule.name for rule in rules}
    assert normalized(value, rules) == {
        "total": 12.0,
        "text": "<order:1> <uuid:1> <date:1>",
        "at": "<cwd:*>/out.txt",
    }


@pytest.mark.parametrize("home", ["/root", "/home/ann", "/home/bob", "/"])
def test_a_home_folder_is_found_after_redaction(monkeypatch, home):
    """As the redactor has changed its name by then; alike whoever runs this."""

    monkeypatch.setenv("HOME", home)
    rules = rules_of(Config(root=Path("/home/ann/shop")))

    assert normalized("<secret:home>/shop/x and <secret:home>/shopping", rules) == (
        "<cwd:*>/x and <home:*>/shopping"
    )
    if home != "/":
        assert normalized(f"{home}/.cache/x", rules) == "<home:*>/.cache/x"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"add": ("nope",)}, "normalize = 'nope'"),
        ({"remove": ("nope",)}, "normalize = 'nope'"),
        ({"order": ("nope",)}, "tool.replay.normalize.order"),
        ({"rules": {"x": NormalizationRule()}}, "tool.replay.normalize.rules.x"),
        ({"rules": {"x": NormalizationRule(key=("a",), path="b")}}, "one of path, key"),
        ({"rules": {"x": NormalizationRule(pattern="(")}}, "rules.x.pattern"),
        ({"rules": {"x": NormalizationRule(key=("a",), do="eat")}}, "rules.x.do"),
    ],
)
def test_bad_settings_are_told(settings, told):
    """What is wrong, and what is taken."""

    with pytest.raises(BadSetting) as error:
        rules_of(project(**settings))

    assert told in str(error.value)


def test_bad_path_is_told():
    """When it is used first."""

    with pytest.raises(BadSetting, match="RFC 9535"):
        normalized({}, (at("a[", name="x"),))


def test_settings_are_read_from_the_project(tmp_path):
    """Nested, checked by name and kind."""

    (tmp_path / "pyproject.toml").write_text(
        '[tool.replay.normalize]\nremove = ["date"]\n'
        "[tool.replay.normalize.rules.order]\npattern = 'ORD-\\d+'\n"
    )

    assert load_config(tmp_path).normalize == Normalization(
        remove=("date",), rules={"order": NormalizationRule(pattern=r"ORD-\d+")}
    )


def test_every_touch_is_explained():
    """Where, by which rule, what it was and what it is."""

    value = {"a": [f"see {UUID_1}"], "created": 1795248870, "x": None}
    new, touched = explained(value, (*DEFAULT_RULES, of_type(type(None), Do.DROP, name="null")))

    assert new == {"a": ["see <uuid:1>"], "created": "<created:1>"}
    assert touched == (
        Touch("a[0]", "uuid", f'"{UUID_1}"', '"<uuid:1>"'),
        Touch("created", "created", "1795248870", '"<created:1>"'),
        Touch("x", "null", "null", ""),
    )


def test_the_command_explains(project):
    """What would be in the golden, and why; for people and for machines."""

    project.write("out.json", json.dumps({"id": UUID_1, "home": "/home/ann/x", "n": 1}))
    shown = project.replay("normalize", "out.json")
    told = project.replay("normalize", "out.json", "--explain")
    machine = project.replay("normalize", "out.json", "--json")

    assert json.loads(shown.stdout) == {"home": "<home:*>/x", "id": "<uuid:1>", "n": 1}
    assert "id" in told.stdout
    assert f'"{UUID_1}" → "<uuid:1>"' in told.stdout
    assert json.loads(machine.stdout)["touched"] == [
        {"path": "id", "rule": "uuid", "before": f'"{UUID_1}"', "after": '"<uuid:1>"'},
        {"path": "home", "rule": "home", "before": '"<secret:home>"', "after": '"<home:*>"'},
    ]


def test_the_command_reads_lines_and_texts(project):
    """A file of JSON lines is a list; what is no JSON is a text."""

    project.write("out.jsonl", f'{{"id": "{UUID_1}"}}\n{{"id": "{UUID_1}"}}\n')
    project.write("answer.txt", f"See {UUID_1}.\n")

    lines = project.replay("normalize", "out.jsonl")
    text = project.replay("normalize", "answer.txt")
    missing = project.replay("normalize", "nowhere.json")

    assert json.loads(lines.stdout) == [{"id": "<uuid:1>"}, {"id": "<uuid:1>"}]
    assert text.stdout == "See <uuid:1>.\n"
    assert (missing.returncode, "nowhere.json" in missing.stderr) == (2, True)


def test_infinite_numbers_stay_what_they_are():
    """They are texts by then."""

    assert normalized(["NaN", math.pi]) == ["NaN", 3.14159265359]
