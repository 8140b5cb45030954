"""Which rules of normalization hold: the project's own and built-in ones, by the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from replay.cassettes.redaction import Redactor
from replay.config import Config, Normalization, NormalizationRule
from replay.errors import BadSetting
from replay.golden.built_in import DEFAULT_RULES, FURTHER_RULES
from replay.golden.rules import (
    Action,
    AtPath,
    Do,
    InText,
    OfType,
    Rule,
    Rules,
    UnderKey,
    Where,
    composed,
    rounded,
    tidied,
)


def rules_of(config: Config) -> Rules:
    """
    Build the project's rules: its own, then the built-in ones, as `[tool.replay.normalize]` says.

    Raises:
        BadSetting: a name is not known, or a rule does not say where it holds.

    """
    settings = config.normalize
    own = tuple(_own(name, rule) for name, rule in settings.rules.items())
    changes: list[Rule | str] = [*own, *settings.add, *(f"-{name}" for name in settings.remove)]
    return _ordered(changed((*_folders(config.root), *DEFAULT_RULES), changes), settings)


def changed(rules: Rules, changes: Iterable[Rule | str]) -> Rules:
    """
    Put further rules before *rules*; `"name"` adds a built-in one, `"-name"` takes one away.

    >>> from replay.golden.rules import key
    >>> [r.name for r in changed(DEFAULT_RULES[:3], [key("sku"), "whitespace", "-embedding"])]
    ['sku', 'whitespace', 'unicode', 'fingerprint']

    Raises:
        BadSetting: no rule has that name.

    """
    first: list[Rule] = []
    without: set[str] = set()
    for change in changes:
        if isinstance(change, Rule):
            first.append(change)
        elif change.startswith("-"):
            without.add(_known(change[1:], rules))
        else:
            name = _known(change, ())
            first += [rule for rule in _BUILT_IN if rule.name == name and rule not in rules]
    return (*first, *(rule for rule in rules if rule.name not in without))


_BUILT_IN = (*DEFAULT_RULES, *FURTHER_RULES)


def _known(name: str, others: Sequence[Rule]) -> str:
    names = dict.fromkeys(rule.name for rule in (*others, *_BUILT_IN))
    if name not in names:
        raise BadSetting("normalize", name, ", ".join(names))
    return name


def _ordered(rules: Rules, settings: Normalization) -> Rules:
    names = {rule.name for rule in rules}
    for name in settings.order:
        if name not in names:
            raise BadSetting("tool.replay.normalize.order", name, ", ".join(sorted(names)))
    place = {name: number for number, name in enumerate(settings.order)}
    return tuple(sorted(rules, key=lambda rule: place.get(rule.name, len(place))))


def _own(name: str, rule: NormalizationRule) -> Rule:
    setting = f"tool.replay.normalize.rules.{name}"
    do = _ACTIONS.get(rule.do) or (rounded(rule.digits) if rule.do == "round" else None)
    if do is None:
        raise BadSetting(f"{setting}.do", rule.do, ", ".join((*_ACTIONS, "round")))
    places: list[Where] = []
    if rule.path:
        places.append(AtPath(rule.path))
    if rule.key:
        places.append(UnderKey(rule.key))
    if rule.pattern:
        places.append(InText(_regex(setting, rule.pattern)))
    if rule.type in _TYPES:
        places.append(OfType(_TYPES[rule.type]))
    if len(places) != 1:
        wanted = f"one of path, key, pattern, or type ({', '.join(_TYPES)})"
        raise BadSetting(setting, rule, wanted)
    return Rule(name, places[0], do)


_ACTIONS: dict[str, Action] = {do.value: do for do in Do} | {
    "unicode": composed,
    "whitespace": tidied,
}
_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def _regex(setting: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadSetting(f"{setting}.pattern", text, f"a regular expression; {error}") from error


def _folders(root: Path) -> Rules:
    """
    Make rules for the project's folder and the home folder, as this machine calls them.

    A value is redacted before: whose home it was is not to be told by then, on any machine.
    """
    redacted = Redactor().json
    folders = {"cwd": (str(root.resolve()),), "home": (*_home(), str(redacted("/home/ann")))}
    return tuple(
        Rule(name, _places(dict.fromkeys((*found, *map(str, map(redacted, found))))), Do.MASK)
        for name, found in folders.items()
        if found != (root.anchor,)
    )


def _home() -> tuple[str, ...]:
    """Tell the home folder of whoever runs this, if there is one."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a name, as in some containers
        return ()
    return () if home == home.parent else (str(home),)


def _places(spellings: Iterable[str]) -> InText:
    found = tuple(spellings)
    text = "|".join(map(re.escape, found))
    return InText(re.compile(rf"(?<!\w)(?:{text})(?![\w.-])"), found)
