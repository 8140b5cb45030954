"""What was done with cassettes: how they played, what was found, converted and taken over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from replay.contrast import difference_lines
from replay.reports.terminal import quoted, show_json
from replay.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from replay.cassettes.adoption import Adopted
    from replay.cassettes.check import FileCheck
    from replay.cassettes.cleaning import FileScan
    from replay.cassettes.conversion import Converted


def show_each_json(found: Iterable[FileCheck | FileScan], out: Console) -> int:
    """Print one JSON object a file; give the exit code."""
    code = 0
    for one in found:
        code = max(code, one.exit_code)
        show_json(asdict(one), out, indent=None)
    return code


def show_checks(checks: Iterable[FileCheck], out: Console, *, verbose: bool = False) -> int:
    """Print each file that did not play whole, then the sums; give the exit code."""
    code = files = whole = played = missed = refused = healed = 0
    for check in checks:
        code, files = max(code, check.exit_code), files + 1
        whole, played = whole + (check.exit_code == 0), played + check.played
        missed, refused = missed + len(check.missed), refused + len(check.refused)
        healed += len(check.healed)
        if check.unread:
            out.print(f"{quoted(check.path)}: not read: {quoted(check.unread)}", soft_wrap=True)
        shown = {"missed": check.missed, "refused": check.refused}
        for word, found in (shown | {"healed": check.healed} if verbose else shown).items():
            for reason in found:
                out.print(f"{quoted(check.path)}: {word} {quoted(reason)}", soft_wrap=True)
    interactions = f"interactions: {played:,} played, {missed:,} missed"
    out.print(f"{whole:,} of {counted(files, 'file')} whole; {interactions}.")
    if refused:
        out.print(f"{refused} refused, each with the reason above.")
    if healed:
        where = "each is listed above" if verbose else "-v lists them"
        out.print(f"Healed on reading: {counted(healed, 'flaw')} in the files; {where}.")
    return code


def show_converted(converted: Converted, out: Console) -> None:
    """Print where a converted cassette lies, and what it was."""
    out.print(
        f"{quoted(converted.path)}: {counted(converted.interactions, 'interaction')}, "
        f"from a {converted.form} cassette",
        soft_wrap=True,
    )
    for what in converted.healed:
        out.print(f"  healed {quoted(what)}", soft_wrap=True)


def show_scans(scans: Iterable[FileScan], out: Console) -> int:
    """Print where secrets stand, file by file, then the sums; give the exit code."""
    code = files = secrets = holding = fixed = 0
    for scan in scans:
        code, files = max(code, scan.exit_code), files + 1
        secrets, holding = secrets + len(scan.findings), holding + bool(scan.findings)
        fixed += scan.fixed
        for finding in scan.findings:
            out.print(quoted(f"{scan.path}: {finding}"), soft_wrap=True)
        if scan.unread:
            out.print(quoted(f"{scan.path}: not all of it: {scan.unread}"), soft_wrap=True)
    out.print(
        f"{counted(secrets, 'secret')} in {holding} of {counted(files, 'file')}; {fixed} fixed."
    )
    if holding > fixed:
        out.print("Replace them by placeholders: the same command with --fix")
    return code


def show_adopted(path: Path, adopted: Iterable[Adopted], out: Console) -> None:
    """Print what was taken over, request by request."""
    for item in adopted:
        out.print(f"{quoted(str(path))} #{item.step}: took over")
        for line in difference_lines(item.differences, "now"):
            out.print(escape(line), soft_wrap=True)
