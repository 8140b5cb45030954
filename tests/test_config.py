"""Settings: read once, checked by name and kind."""

from pathlib import Path

import pytest

from replay.config import (
    Config,
    Matching,
    Mode,
    Redaction,
    Staging,
    Subprocesses,
    load_config,
    records,
    staged,
)
from replay.errors import BadSetting, NotToml, UnknownSetting


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
        ("golden = 1", "tool.replay.golden", "a path"),
        ("environment = 'A'", "tool.replay.environment", "a list of strings"),
        ("redact = 1", "tool.replay.redact", "a table"),
        ("redact = {emails = 'yes'}", "tool.replay.redact.emails", "true or false"),
        ("match = {hosts = {x = {order = 1}}}", "tool.replay.match.hosts.x.order", "free, strict"),
        ("match = {order = 'sorted'}", "tool.replay.match.order", "free, strict"),
        ("engine = 'betamax'", "tool.replay.engine", "vcrpy, replay"),
    ],
)
def test_wrong_settings_are_told_by_name(tmp_path, text, name, wanted):
    """Which one, and what it takes."""

    with pytest.raises(BadSetting) as caught:
        configured(tmp_path, text)

    assert (caught.value.name, caught.value.wanted.startswith(wanted)) == (name, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goldn = 'x'", "There is no setting tool.replay.goldn. Did you mean 'golden'?"),
        ("redact = {header = []}", "tool.replay.redact.header. Did you mean 'headers'?"),
        (
            "zzz = 1",
            "There is no setting tool.replay.zzz.\nThere are: cassettes, episodes, golden,",
        ),
    ],
)
def test_misspelt_settings_are_told(tmp_path, text, said):
    """With the one that is meant, and all that there are."""

    with pytest.raises(UnknownSetting) as caught:
        configured(tmp_path, text)

    assert said in str(caught.value)


def test_a_file_that_is_no_toml_is_told_by_its_line(tmp_path):
    """Not as a setting."""

    with pytest.raises(NotToml) as caught:
        configured(tmp_path, "golden =\n")

    path = tmp_path / "pyproject.toml"
    assert str(caught.value).startswith(f"{path} is no TOML: Invalid value (at line 2")


def test_store_can_be_named_by_the_environment(tmp_path):
    """REPLAY_STORE goes before the file."""

    assert load_config(tmp_path, {"REPLAY_STORE": "/x.db"}).store == Path("/x.db")


def test_share_of_recorded_runs_can_be_named_by_the_environment(tmp_path):
    """REPLAY_SAMPLE goes before the file."""

    (tmp_path / "pyproject.toml").write_text("[tool.replay.service]\nsample = 1\n")

    assert load_config(tmp_path, {"REPLAY_SAMPLE": "0.25"}).service.sample == 0.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REPLAY_SAMPLE", "many"),
        ("REPLAY_SAMPLE", "1.5"),
        ("REPLAY_SAMPLE", "-1"),
        ("REPLAY_SAMPLE", "nan"),
        ("REPLAY_ENGINE", "betamax"),
    ],
)
def test_a_wrong_variable_is_told_as_such(tmp_path, name, value):
    """A share goes from nothing to all of them; there are two engines."""

    with pytest.raises(BadSetting, match=rf"^{name} = .* \(from the environment\)"):
        load_config(tmp_path, {name: value})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("on", True),
        ("TRUE", True),
        ("", True),
        ("off", False),
        ("0", False),
        ("no", False),
        ("disabled", False),
    ],
)
def test_what_does_not_say_that_it_records_does_not(said, meant):
    """What services keep is other people's: a word that is not known is no leave."""

    assert records({"REPLAY_RECORD": said}) is meant


@pytest.mark.parametrize(
    ("options", "environ", "mode"),
    [
        ({"mode": "LIVE_SMOKE"}, {"TEST_MODE": "GOLDEN"}, Mode.LIVE_SMOKE),
        ({}, {"TEST_MODE": "live_smoke"}, Mode.LIVE_SMOKE),
        ({}, {"TEST_MODE": ""}, Mode.GOLDEN),
        ({"mode": "MOCK"}, {"TEST_MODE": "ci"}, Mode.MOCK),
    ],
)
def test_command_line_goes_before_environment_before_file(tmp_path, options, environ, mode):
    """And case does not matter; an empty variable is none."""

    (tmp_path / "pyproject.toml").write_text("[tool.replay.test]\nmode = 'golden'\n")

    assert staged(load_config(tmp_path), environ, options).test.mode is mode


def test_variables_of_tests_are_read_by_who_has_tests(tmp_path):
    """Others use such names as well."""

    assert load_config(tmp_path, {"TEST_TIMEOUT": "30s", "TEST_MODE": "ci"}).test == Staging()


def test_every_test_setting_has_its_variable(tmp_path):
    """Written as in TOML, or as people write switches."""

    variables = {
        "TEST_MODE": "GOLDEN",
        "TEST_SEED": "7",
        "TEST_TEMPERATURE": "0",
        "TEST_TIMEOUT": "2.5",
        "TEST_NORMALIZE_OUTPUTS": "off",
        "TEST_DEBUG": "1",
        "TEST_MAX_CALLS": "3",
        "TEST_MAX_DOLLARS": "0.25",
        "TEST_PIN_SECRETS": "yes",
        "TEST_SUBPROCESSES": "refuse",
    }

    assert staged(load_config(tmp_path), variables, {}).test == Staging(
        mode=Mode.GOLDEN,
        seed=7,
        temperature=0.0,
        timeout=2.5,
        normalize_outputs=False,
        debug=True,
        max_calls=3,
        max_dollars=0.25,
        pin_secrets=True,
        subprocesses=Subprocesses.REFUSE,
    )


@pytest.mark.parametrize(
    ("text", "environ", "options", "said"),
    [
        ("", {"TEST_SEED": "x"}, {}, "TEST_SEED = 'x' (from the environment)"),
        ("", {"TEST_SEED": "-1"}, {}, "It takes: a whole number, 0 or more"),
        ("", {"TEST_TEMPERATURE": "nan"}, {}, "It takes: a number, 0 or more"),
        ("", {"TEST_DEBUG": "perhaps"}, {}, "It takes: true or false"),
        ("", {"TEST_MODE": "X"}, {}, "It takes: MOCK, GOLDEN, LIVE_SMOKE"),
        ("", {"TEST_MODE": "X"}, {}, "meant for something else: env -u TEST_MODE pytest"),
        ("", {}, {"mode": "X"}, "--test-mode = 'X' (from the command line)"),
        ("seed = '1'", {}, {}, "tool.replay.test.seed = '1' (in pyproject.toml)"),
        ("timeout = true", {}, {}, "tool.replay.test.timeout = True (in pyproject.toml)"),
    ],
)
def test_wrong_values_say_where_they_stand(tmp_path, text, environ, options, said):
    """And what would be right."""

    (tmp_path / "pyproject.toml").write_text(f"[tool.replay.test]\n{text}\n")
    with pytest.raises(BadSetting) as caught:
        staged(load_config(tmp_path), environ, options)

    assert said in str(caught.value)
