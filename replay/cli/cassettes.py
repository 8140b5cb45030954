"""Verbs on cassettes: check, convert, scan, adopt, orphans."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from replay.cli.context import end_with_orphans
from replay.config import Config

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("cassettes")
def cassettes() -> None:
    """Work on recorded HTTP."""


@cassettes.command("check")
@click.argument("paths", nargs=-1, required=True, type=Path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.option("-v", "--verbose", is_flag=True, help="Print what was healed on reading, each.")
def check(paths: tuple[Path, ...], as_json: bool, verbose: bool) -> NoReturn:
    """
    Play every interaction of the cassettes in PATHS back through a real HTTP client.

    Exit codes: 0 all played, 1 something did not, 2 a file could not be read.

    \b
      replay cassettes check cassettes
      replay cassettes check -v tests/cassettes/test_refund.yaml
    """
    from replay.cassettes.check import cassette_paths
    from replay.cassettes.check import check as check_file
    from replay.reports.cassettes import show_checks, show_each_json
    from replay.reports.terminal import console

    checks = (check_file(path) for path in cassette_paths(list(paths)))
    if as_json:
        sys.exit(show_each_json(checks, console()))
    sys.exit(show_checks(checks, console(), verbose=verbose))


@cassettes.command("convert")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--to",
    "folder",
    type=Path,
    metavar="FOLDER",
    help="Folder for the new files; default: beside them.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@click.pass_obj
def convert(config: Config, files: tuple[Path, ...], folder: Path | None, force: bool) -> None:
    """
    Write FILES, cassettes of any known form, in vcrpy's format; they stay as they are.

    Secrets are replaced by placeholders on the way.

    \b
      replay cassettes convert fixtures/vcr/refund.json --to cassettes
    """
    from replay.cassettes.conversion import convert as convert_file
    from replay.reports.cassettes import show_converted
    from replay.reports.terminal import console

    for path in files:
        show_converted(convert_file(path, folder, rules=config.redact, force=force), console())


@cassettes.command("scan")
@click.argument("paths", nargs=-1, required=True, type=Path)
@click.option("--fix", is_flag=True, help="Replace what is found by placeholders, in the files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.pass_obj
def scan(config: Config, paths: tuple[Path, ...], fix: bool, as_json: bool) -> NoReturn:
    """
    Look for secrets in the cassettes in PATHS, which may be from before there was redaction.

    Says where each stands and of what kind it is, never what it is. Exit codes: 0 none (or all
    replaced), 1 found, 2 a file could not be read. Masks are not reported; in a file that is
    fixed, those in a secret's place become placeholders as well.

    \b
      replay cassettes scan cassettes tests/cassettes
      replay cassettes scan --fix tests/cassettes
    """
    from replay.cassettes.check import cassette_paths
    from replay.cassettes.cleaning import scan as scan_file
    from replay.reports.cassettes import show_each_json, show_scans
    from replay.reports.terminal import console

    scans = (scan_file(path, config.redact, fix=fix) for path in cassette_paths(list(paths)))
    sys.exit((show_each_json if as_json else show_scans)(scans, console()))


@cassettes.command("adopt")
@click.argument("paths", nargs=-1, required=True, type=Path)
def adopt(paths: tuple[Path, ...]) -> None:
    """
    Take changed requests over into the cassettes PATHS, and keep the answers they got.

    For a change that is intended and does not change what is answered. First let the tests
    propose: what they send now waits beside the cassette as `….yaml.new`.

    \b
      pytest tests/test_refund.py --adopt
      replay cassettes adopt cassettes/refund.yaml
    """
    from replay.cassettes.adoption import adopt as adopt_requests
    from replay.reports.cassettes import show_adopted
    from replay.reports.terminal import console

    for path in paths:
        show_adopted(path, adopt_requests(path), console())


@cassettes.command("orphans")
@click.option("--delete", is_flag=True, help="Delete them.")
@click.pass_obj
def orphans(config: Config, delete: bool) -> NoReturn:
    """
    List the cassettes that no golden test plays; exit 1 if there are any.

    Asks pytest to collect all tests, and runs none. Cassettes that another tool recorded, or that
    a test marked `vcr` plays, are left alone.

    \b
      replay cassettes orphans
      replay cassettes orphans --delete
    """
    from replay.golden.orphans import find_orphans

    end_with_orphans(partial(find_orphans, config), delete=delete)


COMMANDS = (cassettes,)
