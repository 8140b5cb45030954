"""Start the stand-in from a shell."""

import signal
import threading

import click

from .provider import DEFAULT_ALIASES
from .server import serve
from .voices import VOICES


def _aliases(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = dict(value.partition("=")[::2] for value in values)
    unknown = [model for model in pairs.values() if model not in VOICES]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(VOICES)}.")
    return {**DEFAULT_ALIASES, **pairs}


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8377,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="NAME=MODEL",
    callback=_aliases,
    help="Point a name at a dated model, such as gpt-4o=gpt-4o-2024-08-06; may be repeated.",
)
@click.option(
    "--chunk-delay",
    type=click.FloatRange(0),
    default=0.02,
    show_default=True,
    help="Seconds between chunks.",
)
@click.option(
    "--latency",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="Seconds before each answer.",
)
def main(port: int, host: str, aliases: dict[str, str], chunk_delay: float, latency: float) -> None:
    """Serve the stand-in provider and shop APIs until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with serve(
            port, host=host, aliases=aliases, chunk_delay=chunk_delay, latency=latency
        ) as url:
            print(f"stand-in listening on {url}", flush=True)
            while not stop.wait(0.2):
                pass
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen: {error.strerror}. Take a free port: --port 0"
        ) from None


if __name__ == "__main__":
    main(prog_name="python -m examples.support_agent.standin")
