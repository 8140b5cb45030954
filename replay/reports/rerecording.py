"""What recording again would call, for the end of a pytest run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from replay.llm.estimate import Estimate
from replay.visible import inline

if TYPE_CHECKING:
    from replay.golden.rerecording import Calls, Plan


def plan_lines(plans: Sequence[Plan]) -> Iterator[str]:
    """Tell test by test what would be called and cost, and the sum."""
    for plan in plans:
        yield f"{plan.nodeid}: unknown, {plan.unknown}" if plan.unknown else plan.nodeid
        yield from map(_line, plan.calls)
    calls = [calls for plan in plans for calls in plan.calls]
    unknown = sum(bool(plan.unknown) for plan in plans)
    total = sum((each.cost for each in calls), Estimate())
    requests = _counted(sum(each.number for each in calls), "request")
    yield f"{_counted(len(plans), 'test')}, {requests}"
    if total.calls:
        yield f"  of models: {total}"
    if unknown:
        yield f"  and what {unknown} of the tests would call, which is unknown"
    yield "As they were recorded, at the prices of today. Nothing was run, and nothing was sent."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _line(calls: Calls) -> str:
    model = f": {calls.model}, {calls.cost.amount}" if calls.cost.calls else ""
    return inline(f"  {calls.number} x {calls.to}{model}")
