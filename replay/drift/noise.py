"""
The noise floor: what differs between recordings of one version, field by field, is no drift.

Every test asks the same: if both versions were one, how often would chance alone set them apart as
far as they are? Within each episode its recordings are dealt to the two versions anew, in all ways
or in many; that holds whatever the values are distributed like, and pairs each episode with itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from typing import TYPE_CHECKING, Any

from replay.drift.verdicts import Verdict
from replay.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

Matrix = Sequence[Sequence[float]]
"""How far each recording of an episode is from each other."""

LEVEL = 0.03
"""How many of the fields that are called drift may be none (false discovery rate)."""

RECORDINGS = 4
"""As many recordings of a version are taken, the newest: there are 70 ways to deal 4 and 4."""

_CONFIDENCE = 0.95
_DRAWS = 20_000
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    One field, tested over *episodes*.

    *shift* is how far apart the versions are beyond the noise: for a measure a share of its mean,
    for other fields a distance of 0 to 1; *interval* is where it lies with 95 % confidence, None
    where one episode alone cannot say. *chance* is the corrected p-value.
    """

    field: str
    episodes: int
    shift: float
    interval: tuple[float, float] | None
    chance: float
    verdict: Verdict


class Floor:
    """Gathers what recordings of one episode differ in, and tests it over all episodes."""

    def __init__(self) -> None:
        self._episodes = 0
        self._apart: dict[str, list[tuple[Matrix, int]]] = defaultdict(list)
        self._values: dict[str, list[tuple[Sequence[float], int]]] = defaultdict(list)

    def distances(self, found: Mapping[str, Matrix], before: int) -> None:
        """Add one episode: by field the distances of its recordings, *before* of the old first."""
        self._episodes += 1
        for field, matrix in found.items():
            self._apart[field].append((matrix, before))

    def values(self, field: str, before: Sequence[float], after: Sequence[float]) -> None:
        """Add one episode's values of a measure."""
        self._values[field].append(([*before, *after], len(before)))

    def tests(self) -> dict[str, Estimate]:
        """
        Test all fields, corrected for how many they are (Benjamini and Hochberg, 1995).

        Raises:
            MissingExtra: there is a noise floor, and no scipy to test with.

        """
        if not self._apart and find_spec("scipy") is None:
            return {}
        every = [*self._fields()]
        if not every:
            return {}
        numbers = _numpy().random.default_rng(0)
        from scipy.stats import false_discovery_control

        corrected = false_discovery_control([_chance(deals, numbers) for deals in every])
        return {
            deals.field: _estimate(deals, float(chance), _attainable(deals) * len(every))
            for deals, chance in zip(every, corrected, strict=True)
        }

    def _fields(self) -> Iterator[_Deals]:
        for field, episodes in self._apart.items():
            apart = [_apart(matrix, before) for matrix, before in episodes]
            yield _Deals(field, apart, self._episodes, two_sided=False)
        for field, values in self._values.items():
            shifts = [_shift(_array(numbers), before) for numbers, before in values]
            yield _Deals(field, shifts, len(shifts), two_sided=True)


@dataclass(frozen=True, slots=True)
class _Deals:
    """One field's statistic by episode and deal; episodes that never differ are only counted."""

    field: str
    differing: list[Numbers]
    episodes: int
    two_sided: bool


def _estimate(deals: _Deals, chance: float, attainable: float) -> Estimate:
    observed = [float(each[0]) for each in deals.differing]
    observed += [0.0] * (deals.episodes - len(observed))
    if chance <= LEVEL:
        verdict = Verdict.DRIFT
    elif not any(map(_varies, deals.differing)):
        verdict = Verdict.NONE
    else:
        verdict = Verdict.INSUFFICIENT if attainable > LEVEL else Verdict.WITHIN
    shift = sum(observed) / len(observed)
    return Estimate(deals.field, len(observed), shift, _interval(observed), chance, verdict)


def _interval(observed: list[float]) -> tuple[float, float] | None:
    from scipy.stats import ttest_1samp

    if len(observed) < 2:
        return None
    if max(observed) - min(observed) < _EPSILON:
        return observed[0], observed[0]
    found = ttest_1samp(observed, 0).confidence_interval(_CONFIDENCE)
    return float(found.low), float(found.high)


def _chance(deals: _Deals, numbers: Any) -> float:
    """How often the recordings, dealt anew, lie at least as far apart; the p-value."""
    totals = _numpy().zeros(_DRAWS)
    for each in deals.differing:
        totals += each[numbers.integers(len(each), size=_DRAWS)]
    observed = sum(float(each[0]) for each in deals.differing)
    if deals.two_sided:
        totals, observed = abs(totals), abs(observed)
    return (1 + int((totals >= observed - _EPSILON).sum())) / (1 + _DRAWS)


def _attainable(deals: _Deals) -> float:
    """The smallest p-value that these data could give at all."""
    smallest = 2.0 if deals.two_sided else 1.0
    for each in deals.differing:
        smallest *= float((each >= each.max() - _EPSILON).mean())
    return max(smallest, 1 / (1 + _DRAWS))


def _varies(deals: Numbers) -> bool:
    return bool(deals.max() - deals.min() > _EPSILON)


def _dealt(recordings: int, before: int) -> list[tuple[int, ...]]:
    """List the ways to deal recordings to the old version; the true one is first."""
    return list(combinations(range(recordings), before))


def _apart(matrix: Matrix, before: int) -> Numbers:
    """By deal: the mean distance between the versions, less that within them."""
    return _array([_between(matrix, set(deal)) for deal in _dealt(len(matrix), before)])


def _between(matrix: Matrix, old: set[int]) -> float:
    across: list[float] = []
    within: list[float] = []
    for i, j in combinations(range(len(matrix)), 2):
        (across if (i in old) != (j in old) else within).append(matrix[i][j])
    return sum(across) / len(across) - sum(within) / len(within)


def _shift(values: Numbers, before: int) -> Numbers:
    """By deal: how much larger the new version's mean is, as a share of the mean of all."""
    scale = float(abs(values).mean())
    if not scale:
        return values[:1] * 0
    found = []
    for deal in _dealt(len(values), before):
        old = sum(values[i] for i in deal)
        new = float(values.sum()) - old
        found.append((new / (len(values) - before) - old / before) / scale)
    return _array(found)


def _array(values: Any) -> Numbers:
    found: Numbers = _numpy().asarray(values, dtype=float)
    return found


def _numpy() -> Any:
    try:
        import numpy as np
        import scipy.stats  # noqa: F401 - both come with the extra
    except ImportError:
        raise MissingExtra("Telling drift from noise", "drift") from None
    return np
