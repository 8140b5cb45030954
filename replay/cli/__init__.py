"""The `replay` command: each verb parses, calls one function of the library, prints, exits."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Any

import click

from replay.cli import batch, cassettes, drift, episodes, frozen, golden, init, store
from replay.cli.context import of_tenant
from replay.config import load_config
from replay.errors import ReplayError, shown


class _Group(click.Group):
    """Turns every error we know into its sentence and exit code 2."""

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


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="golden-replay")
@click.pass_context
def main(ctx: click.Context) -> None:
    """
    Record live LLM and API traffic once, replay it deterministically for ever.

    \b
      replay run episode_12345          re-execute a recorded run, offline
      replay list                       what there is

    Exit codes: 0 agreed, 1 drifted, 2 could not tell.
    """
    config = load_config(environ=os.environ)
    sys.path.insert(0, str(config.root.resolve()))
    ctx.obj = config


main.add_command(batch.batch)
main.add_command(cassettes.cassettes)
main.add_command(init.init)
for _command in (*episodes.COMMANDS, *store.COMMANDS, *drift.COMMANDS, *frozen.COMMANDS):
    main.add_command(of_tenant(_command))
for _command in golden.COMMANDS:
    main.add_command(_command)
