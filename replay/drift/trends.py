"""Over time: how measures moved by model, and which recordings are stale."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median

from replay.drift.measures import Measures
from replay.llm.calls import read_calls
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


class Staleness:
    """
    Gathers which recordings do not stand for what is live now; one cause is one sentence.

    An alias answers with another id than it did (where it was asked for, not another model in its
    place), a model is retired, a recording is older than
    *max_age_days* (0: no limit).
    """

    def __init__(self, today: date, max_age_days: int) -> None:
        self._today, self._max_age_days = today, max_age_days
        self._answered: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._retired: dict[str, list[str]] = defaultdict(list)
        self._old: list[str] = []

    def add(self, name: str, recording: Recording) -> None:
        """Take in one recording; the older ones of a run first."""
        for asked, model in _models(recording):
            if model and not recording.manifest.further:
                self._answered[name, asked][model] = None
            if is_retired(model or asked):
                self._retired[model or asked].append(name)
        day = made_on(recording)
        if self._max_age_days and day and (self._today - day).days > self._max_age_days:
            self._old.append(name)

    def sentences(self) -> tuple[str, ...]:
        """Say what is stale."""
        moved: dict[str, list[str]] = defaultdict(list)
        for (name, asked), models in self._answered.items():
            if len(models) > 1:
                moved[f"{asked} answered as {', later as '.join(models)}"].append(name)
        found = [f"{what}: {_named(names)}" for what, names in moved.items()]
        found += [f"{model} is retired: {_named(names)}" for model, names in self._retired.items()]
        if self._old:
            found.append(f"older than {self._max_age_days} days: {_named(self._old)}")
        return tuple(found)


def _models(recording: Recording) -> list[tuple[str, str]]:
    return [(call.requested, call.answered) for call in read_calls(recording.interactions)]


def _named(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return distinct[0] if len(distinct) == 1 else f"{len(distinct)} runs, such as {distinct[0]}"
