"""Recording a further version of an episode: another model, live; tools from the recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from replay.cassettes.asking import asked_again
from replay.cassettes.further import FurtherTape
from replay.cassettes.tape import Tape
from replay.config import Config
from replay.engine.live import Recorded, exported, prepare, record_entrypoint
from replay.engine.recorder import record
from replay.episodes.store import Store
from replay.errors import BudgetSpent, NotAnswered, UnknownRecording
from replay.llm.calls import read_call, read_calls
from replay.llm.credentials import with_key
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

    All other requests are answered from its current recording. One that is not there is sent only
    with *live_reads*, and only if it reads; a write is never sent.

    Raises:
        UnknownRecording: there is nothing to answer tools from.
        CassetteMiss: the new model led the program to a request that is not recorded.
        BudgetSpent: the calls have cost more than *budget* dollars, or their price is not known.

    """
    tape = _tape(episode, model, sampling, budget, live_reads=live_reads)
    seed = episode.current.manifest.seed
    return record_entrypoint(store, config, episode, seed=seed, tape=tape, further="free-running")


def record_teacher_forced(
    store: Store,
    config: Config,
    episode: Episode,
    model: str,
    *,
    sampling: Mapping[str, Json],
    budget: Decimal | None = None,
    environ: Mapping[str, str],
) -> Recorded:
    """
    Let *model* answer each call of the current recording of *episode*; no program is run.

    So every turn has the recorded ones before it, whatever *model* said to those; tools and output
    are as they were. The keys of the providers are those in *environ*.

    Raises:
        UnknownRecording: there is nothing to ask again.
        NoKey: a provider wants one that is not there.
        NotAnswered: a call that had been answered is not.
        BudgetSpent: as for `record_further`.

    """
    tape = _tape(episode, model, sampling, budget)
    recorded = episode.current
    calls = recorded.interactions
    requests = [
        with_key(call.request, environ) if _is_model_call(call.request) else call.request
        for call in calls
    ]
    prepare(store, config, episode)
    with record(episode.id, store=store, keep_errors=False, config=config, tape=tape) as run:
        run.entrypoint, run.inputs = episode.entrypoint, episode.inputs
        run.output, run.further = recorded.output, "teacher-forced"
        answers = zip(calls, asked_again(requests), strict=True)
        for step, (call, (status, said)) in enumerate(answers, 1):
            if not _is_answer(status) and call.response and _is_answer(call.response.status):
                raise NotAnswered(episode.id, step, f"{status or ''} {said}".strip()[:500])
    return exported(store, config, run)


def _tape(
    episode: Episode,
    model: str,
    sampling: Mapping[str, Json],
    budget: Decimal | None,
    *,
    live_reads: bool = False,
) -> Callable[..., Tape]:
    if not episode.recordings:
        raise UnknownRecording(episode.id, episode.entrypoint)

    def gate(request: Request, so_far: Sequence[Interaction]) -> bool:
        if _is_model_call(request):
            _check_budget(so_far, budget)
            return True
        return live_reads and request.method.upper() in _READS

    interactions = episode.current.interactions
    return partial(
        FurtherTape,
        [item for item in interactions if not _is_model_call(item.request)],
        gate=gate,
        rewrite=lambda r: rewritten(r, model=model, sampling=sampling) if _is_model_call(r) else r,
        source=f"the recording of {episode.id}, which answers for its tools",
    )


def _is_answer(status: int) -> bool:
    return 0 < status < 400


def _is_model_call(request: Request) -> bool:
    """Whether a model is asked to answer; embeddings and the like are as good as tools."""
    call = read_call(Interaction(request))
    return call is not None and call.operation in _ANSWERS


def _check_budget(so_far: Sequence[Interaction], budget: Decimal | None) -> None:
    if budget is None:
        return
    calls = read_calls(so_far)
    now = datetime.now(UTC)
    prices = [dollars(call, now) for call in calls]
    spent = sum((price for price in prices if price is not None), Decimal(0))
    if spent >= budget or None in prices:
        raise BudgetSpent(str(budget), str(spent), len(calls), is_known=None not in prices)
