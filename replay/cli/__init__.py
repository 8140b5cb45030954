"""The `replay` command: each verb parses, calls one function of the library, prints, exits."""

from __future__ import annotations

import atexit
import difflib
import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from replay.cli.context import of_tenant
from replay.config import load_config
from replay.errors import ReplayError, shown

_VERBS = {
    "batch": ("batch",),
    "cassettes": ("cassettes",),
    "drift": ("drift",),
    "episodes": ("run", "list", "show", "search", "tag", "import", "export"),
    "frozen": ("frozen", "bisect"),
    "golden": ("normalize", "review", "goldens"),
    "init": ("init",),
    "record": ("record",),
    "store": ("verify", "gc", "delete", "backup", "restore", "merge"),
}
"""The modules of this package, and the verbs in each."""

_HOMES = {verb: module for module, verbs in _VERBS.items() for verb in verbs}
_OF_TENANTS = ("drift", "episodes", "frozen", "record", "store")
_FEWER_COLLECTIONS = 100_000


def _collect_less() -> None:
    """
    Look for garbage less often, and not once more at the end: a third of the time of a replay.

    Importing an SDK leaves none, but a million objects to look through.
    """
    gc.set_threshold(_FEWER_COLLECTIONS)
    atexit.register(gc.freeze)


class _Verbs(click.Group):
    """
    Imports a verb when it is used, and turns every error we know into its sentence and exit code 2.
    """

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _HOMES and cmd_name not in self.commands:
            home = _HOMES[cmd_name]
            for command in import_module(f"replay.cli.{home}").COMMANDS:
                self.add_command(of_tenant(command) if home in _OF_TENANTS else command)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that there is not is mostly one misspelt."""
        near = difflib.get_close_matches(args[0], _HOMES, n=1)
        if near and args[0] not in _HOMES:
            ctx.fail(f"There is no {args[0]!r}. Did you mean: replay {near[0]}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, on a terminal or into a file that may not take every character."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReplayError as error:
            click.echo(shown(error), err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("Interrupted. What was complete is kept: replay list", err=True)
            ctx.exit(130)


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=_Verbs, context_settings=_SETTINGS)
@click.version_option(package_name="golden-replay")
@click.pass_context
def main(ctx: click.Context) -> None:
    """
    Record live LLM and API traffic once, replay it deterministically for ever.

    \b
      replay init                       set up the project in this folder
      replay run episode_12345          re-execute a recorded run, offline
      replay list                       what there is

    Exit codes: 0 agreed, 1 drifted, 2 could not tell.
    """
    _collect_less()
    config = load_config(environ=os.environ)
    sys.path[:0] = config.sources
    ctx.obj = config
