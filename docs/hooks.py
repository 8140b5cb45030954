"""What the site generates from the code: the help of every verb, as a terminal shows it."""

from collections.abc import Iterator
from typing import Any

import click

from replay.cli import main

_HERE = "<!-- commands: put in by docs/hooks.py -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the commands where the page asks for them."""
    context = click.Context(main, info_name="replay", **main.context_settings)
    return markdown.replace(_HERE, "\n".join(_sections(main, context)))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner
            yield from _sections(inner, click.Context(inner, parent=context, info_name=name))
