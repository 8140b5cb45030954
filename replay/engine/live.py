"""Recording an entrypoint from the outside: what `replay record` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from replay.cassettes.tape import Tape
from replay.config import Config
from replay.engine.entrypoint import check_inputs, load_entrypoint, run_entrypoint
from replay.engine.recorder import record
from replay.engine.run import Run
from replay.episodes.folder import bundle_path, export_bundle, find, import_bundle
from replay.episodes.store import Store
from replay.errors import NoEntrypoint, OtherEpisode, ReplayError, RunRaised, UnknownEpisode
from replay.golden.plain import plain
from replay.model import Episode, Further


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    What was recorded: the episode's name, its number of calls, the bundle that holds it.

    *unrecorded* are the addresses that it reached past its recording.
    """

    episode: str
    calls: int
    bundle: Path
    unrecorded: tuple[str, ...] = ()


def record_entrypoint(
    store: Store,
    config: Config,
    case: Episode,
    *,
    seed: int = 0,
    keep_errors: bool = False,
    tape: Callable[..., Tape] = Tape,
    further: Further = "",
) -> Recorded:
    """
    Run the entrypoint of *case* live, clock and seeds pinned; add the recording and export it.

    *further* is noted in its manifest.

    Raises:
        OtherEpisode: an episode of that name is there, and is another case.
        NoEntrypoint: it has none.
        BadEntrypoint: it is not there, or does not take the inputs.
        ForeignEntrypoint: it is not code of the project.
        RunRaised: the run ended in an exception, and *keep_errors* is off; nothing was added.

    """
    if not case.entrypoint:
        raise NoEntrypoint(case.id)
    prepare(store, config, case)
    unrecorded = list[str]()
    try:
        with record(
            case.id,
            store=store,
            pin=True,
            seed=seed,
            keep_errors=keep_errors,
            config=config,
            tape=tape,
            unrecorded=unrecorded.append,
        ) as run:
            run.entrypoint, run.inputs, run.further = case.entrypoint, case.inputs, further
            # under the pinned clock, as in a replay
            function = load_entrypoint(case.entrypoint, config)
            check_inputs(case.entrypoint, function, case.inputs)
            run.begin()
            run.output = plain(run_entrypoint(function, case.inputs))
    except ReplayError:
        raise
    except (Exception, SystemExit) as error:
        if not keep_errors:
            raise RunRaised(case.id, f"{type(error).__name__}: {error}") from error
    store.tag(case.id, case.tags)
    return exported(store, config, run, unrecorded)


def prepare(store: Store, config: Config, case: Episode) -> None:
    """
    Have in *store* what the bundle of *case* holds: what is recorded next comes after that.

    Raises:
        OtherEpisode: an episode of that name is there, and is another case.

    """
    bundles = config.path(config.episodes)
    with suppress(UnknownEpisode):
        there = find(store, bundles, case.id)
        if (there.entrypoint, there.inputs) != (case.entrypoint, case.inputs):
            raise OtherEpisode(case.id)
    if (path := bundle_path(store, bundles, case.id)).is_file():
        import_bundle(store, path)


def exported(store: Store, config: Config, run: Run, unrecorded: Iterable[str] = ()) -> Recorded:
    """Write the bundle of the episode of which *run* is now a recording."""
    calls = len(run.recording.interactions) if run.recording else 0
    bundle = export_bundle(store, run.id, config.path(config.episodes))
    return Recorded(run.id, calls, bundle, tuple(unrecorded))
