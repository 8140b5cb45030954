"""Over time: how measures moved by model, and which recordings are stale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median

from replay.drift.measures import Measures
from replay.llm.calls import read_call
from replay.llm.prices import is_retired
from replay.model import Recording

_POINTS = 2


@dataclass(frozen=True, slots=True)
class Trend:
    """The median of a *measure* by day, of the recordings that *model* answered."""

    model: str
    measure: str
    points: tuple[tuple[date, float], ...]


class Trends:
    """Gathers the measures of dated recordings."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, str], dict[date, list[float]]] = defaultdict(dict)

    def add(self, recording: Recording, values: Measures) -> None:
        """Take in one recording; one without a date tells nothing of time."""
        day = made_on(recording)
        if day is None:
            return
        model = ", ".join(sorted({model for _, model in _models(recording) if model}))
        for measure, value in values.items():
            self._days[model, measure].setdefault(day, []).append(value)

    def trends(self) -> tuple[Trend, ...]:
        """List what has points on two days or more."""
        return tuple(
            Trend(model, measure, tuple((day, median(days[day])) for day in sorted(days)))
            for (model, measure), days in sorted(self._days.items())
            if len(days) >= _POINTS
        )


def made_on(recording: Recording) -> date | None:
    """Tell the day on which *recording* was made; None when it does not say."""
    clock = recording.manifest.clock
    return datetime.fromisoformat(clock).astimezone(UTC).date() if clock else None


def staleness(
    recordings: Iterable[tuple[str, Recording]], today: date, max_age_days: int
) -> tuple[str, ...]:
    """
    Say which of the named *recordings* do not stand for what is live now.

    An alias answers with another id than it did, a model is retired, a recording is older than
    *max_age_days* (0: no limit). One cause is one sentence.
    """
    answered: dict[str, dict[str, None]] = defaultdict(dict)
    retired: dict[str, list[str]] = defaultdict(list)
    old: list[str] = []
    for name, recording in recordings:
        for asked, model in dict.fromkeys(_models(recording)):
            if model:
                answered[asked][model] = None
            if is_retired(model or asked):
                retired[model or asked].append(name)
        day = made_on(recording)
        if max_age_days and day and (today - day).days > max_age_days:
            old.append(name)
    found = [
        f"{asked} answered as {' and later as '.join(models)}"
        for asked, models in answered.items()
        if len(models) > 1
    ]
    found += [f"{model} is retired: {_named(names)}" for model, names in retired.items()]
    if old:
        found.append(f"older than {max_age_days} days: {_named(old)}")
    return tuple(found)


def _models(recording: Recording) -> list[tuple[str, str]]:
    calls = (read_call(interaction) for interaction in recording.interactions)
    return [(call.requested, call.answered) for call in calls if call]


def _named(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    return f"{', '.join(distinct[:3])}{more}"
