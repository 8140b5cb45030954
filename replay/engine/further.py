"""Recording a further version of an episode: another model, live; tools from the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from replay.cassettes.further import FurtherTape
from replay.config import Config
from replay.engine.live import Recorded, record_entrypoint
from replay.episodes.store import Store
from replay.errors import BudgetSpent, UnknownRecording
from replay.llm.calls import read_call
from replay.llm.prices import dollars
from replay.llm.rewriting import rewritten
from replay.model import Episode, Interaction, Json, Request

_ANSWERS = ("chat", "completions", "responses")
_READS = ("GET", "HEAD", "OPTIONS")


def record_further(
    store: Store,
    config: Config,
    episode: Episode,
    model: str,
    *,
    sampling: Mapping[str, Json],
    live_reads: bool = False,
    budget: Decimal | None = None,
) -> Recorded:
    """
    Run *episode* with every model call sent to *model*, with other *sampling* parameters if given.

    All other requests are answered from its newest recording. One that is not there is sent only
    with *live_reads*, and only if it reads; a write is never sent.

    Raises:
        UnknownRecording: there is nothing to answer tools from.
        CassetteMiss: the new model led the program to a request that is not recorded.
        BudgetSpent: the calls have cost more than *budget* dollars, or their price is not known.

    """
    if not episode.recordings:
        raise UnknownRecording(episode.id, episode.entrypoint)

    def gate(request: Request, so_far: Sequence[Interaction]) -> bool:
        if _is_model_call(request):
            _check_budget(so_far, budget)
            return True
        return live_reads and request.method.upper() in _READS

    interactions = episode.current.interactions
    tape = partial(
        FurtherTape,
        [item for item in interactions if not _is_model_call(item.request)],
        gate=gate,
        rewrite=lambda r: rewritten(r, model=model, sampling=sampling) if _is_model_call(r) else r,
        source=f"the recording of {episode.id}, which answers for its tools",
    )
    seed = episode.current.manifest.seed
    return record_entrypoint(store, config, episode, seed=seed, tape=tape)


def _is_model_call(request: Request) -> bool:
    """Whether a model is asked to answer; embeddings and the like are as good as tools."""
    call = read_call(Interaction(request))
    return call is not None and call.operation in _ANSWERS


def _check_budget(so_far: Sequence[Interaction], budget: Decimal | None) -> None:
    if budget is None:
        return
    calls = [call for call in map(read_call, so_far) if call]
    now = datetime.now(UTC)
    prices = [dollars(call, now) for call in calls]
    spent = sum((price for price in prices if price is not None), Decimal(0))
    if spent >= budget or None in prices:
        raise BudgetSpent(str(budget), str(spent), len(calls), is_known=None not in prices)
