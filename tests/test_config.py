"""Settings: read once, checked by name and kind."""

from pathlib import Path

import pytest

from replay.config import Config, Matching, Mode, Redaction, load_config, test_mode
from replay.errors import BadSetting


def configured(tmp_path, text: str) -> Config:
    (tmp_path / "pyproject.toml").write_text(f"[tool.replay]\n{text}")
    return load_config(tmp_path)


def test_everything_has_a_default(tmp_path):
    """No configuration is needed."""

    assert load_config(tmp_path) == Config(root=tmp_path)


def test_settings_are_read_from_the_folders_above(tmp_path):
    """Nested tables and all."""

    text = """
    golden = "approved"
    environment = ["A_URL"]
    [tool.replay.redact]
    json = ["iban"]
    emails = true
    [tool.replay.match]
    volatile = { run = "run_[a-z]+" }
    [tool.replay.match.hosts."*.openai.com"]
    ignore_json = ["user"]
    """
    configured(tmp_path, text)
    (tmp_path / "deep").mkdir()

    assert load_config(tmp_path / "deep") == Config(
        root=tmp_path,
        golden=Path("approved"),
        environment=("A_URL",),
        redact=Redaction(json=("iban",), emails=True),
        match=Matching(
            volatile={"run": "run_[a-z]+"}, hosts={"*.openai.com": Matching(ignore_json=("user",))}
        ),
    )


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("goldn = 'x'", "tool.replay.goldn", "one of cassettes, episodes, golden"),
        ("golden = 1", "tool.replay.golden", "a path"),
        ("environment = 'A'", "tool.replay.environment", "a list of strings"),
        ("redact = 1", "tool.replay.redact", "a table"),
        ("redact = {emails = 'yes'}", "tool.replay.redact.emails", "true or false"),
        ("match = {hosts = {x = {order = 1}}}", "tool.replay.match.hosts.x.order", "a string"),
    ],
)
def test_wrong_settings_are_told_by_name(tmp_path, text, name, wanted):
    """Which one, and what it takes."""

    with pytest.raises(BadSetting) as caught:
        configured(tmp_path, text)

    assert (caught.value.name, caught.value.wanted.startswith(wanted)) == (name, True)


def test_store_can_be_named_by_the_environment(tmp_path):
    """REPLAY_STORE goes before the file."""

    assert load_config(tmp_path, {"REPLAY_STORE": "/x.db"}).store == Path("/x.db")


@pytest.mark.parametrize("value", ["golden", "GOLDEN"])
def test_mode_is_read_in_any_case(value):
    """MOCK is the default."""

    assert (test_mode({"TEST_MODE": value}), test_mode({})) == (Mode.GOLDEN, Mode.MOCK)


def test_unknown_mode_is_told():
    """With the three there are."""

    with pytest.raises(BadSetting, match="MOCK, GOLDEN, LIVE_SMOKE"):
        test_mode({"TEST_MODE": "X"})
