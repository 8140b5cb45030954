"""What waits for a decision, or has changed, as people and machines are shown it."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.markup import escape

from replay.canonical import ABSENT
from replay.golden.changes import Change, Cluster, Spent, Step
from replay.golden.differences import word_diff
from replay.model import Json
from replay.reports.terminal import show_json
from replay.visible import inline, visible

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
_STEPS = 6
_NAMES = 3
_WIDTH = 400
_LINES = 12
_COMMENT = 60_000
"""Characters: GitHub takes 65,536 in a comment."""
_WORDS = re.compile(r"\[-(?P<gone>.*?)-\]|\{\+(?P<new>.*?)\+\}", re.DOTALL)


def show_clusters(clusters: Sequence[Cluster], out: Console, *, decide: bool = True) -> None:
    """Print each cluster; with *decide*, the commands that decide on it."""
    for number, cluster in enumerate(clusters, 1):
        show_cluster(cluster, number, len(clusters), out)
        for line in _commands(cluster) if decide else ():
            out.print(escape(line), soft_wrap=True)
        out.print()
    files = sum(len(cluster.changes) for cluster in clusters)
    if not clusters:
        out.print("Nothing waits for a decision." if decide else "Nothing changed.")
        return
    waits = " to decide on" if decide else ""
    out.print(f"{_count(files, 'change')} in {_count(len(clusters), 'cluster')}{waits}.")
    if decide and any(not cluster.first.verb for cluster in clusters):
        out.print("All at once: replay review --accept all; taken back by replay review --undo")


def show_cluster(cluster: Cluster, number: int, total: int, out: Console) -> None:
    """Print one cluster: whose it is, what moved, and by how much."""
    out.print(f"[bold]{number}/{total}  {escape(_title(cluster))}[/]", soft_wrap=True)
    for line in change_lines(cluster.first):
        out.print(_coloured(line), soft_wrap=True)


def change_lines(change: Change) -> Iterator[str]:
    """Say how a change reads: a line a step, a text as a word diff."""
    for step in change.steps[:_STEPS]:
        place = f"step {step.step}, {step.what}: " if step.step else ""
        yield f"  {step.drift} · {place}{inline(step.difference.path) or 'everything'}"
        yield from (f"    {line}" for line in _values(step))
    if len(change.steps) > _STEPS:
        yield f"  … and {len(change.steps) - _STEPS} more"
    if change.note:
        yield from (f"  {line}" for line in visible(change.note).splitlines())
    if change.was and change.now and (deltas := _deltas(change.was, change.now)):
        yield f"  {deltas}"


def show_changes_json(clusters: Iterable[Cluster], out: Console) -> None:
    """Print all clusters as one JSON object."""
    show_json(_json(clusters), out)


def markdown(clusters: Sequence[Cluster], *, base: str = "", limit: int = _COMMENT) -> str:
    """Write the changes for a pull request; what is too much for a comment is counted."""
    files = sum(len(cluster.changes) for cluster in clusters)
    against = f" since `{base}`" if base else ""
    if not clusters:
        return f"### Recorded behaviour\n\nNothing changed{against}.\n"
    head = (
        f"### Recorded behaviour\n\n{_count(files, 'change')} in "
        f"{_count(len(clusters), 'cluster')}{against}.\n"
    )
    parts, room = [head], limit - len(head) - 100
    for number, cluster in enumerate(clusters):
        part = _section(cluster)
        if len(part) > room:
            left = len(clusters) - number
            parts.append(f"\n… and {_count(left, 'cluster')} more: `replay review` shows all.\n")
            break
        parts.append(part)
        room -= len(part)
    return "".join(parts)


def page(clusters: Sequence[Cluster], *, base: str = "") -> str:
    """Write the changes as one HTML file without anything from outside."""
    against = f" since {html.escape(base)}" if base else ""
    sections = "".join(
        f"<details open><summary>{html.escape(_title(cluster))}</summary>"
        f"<p>{html.escape(inline(', '.join(sorted({c.path.name for c in cluster.changes}))))}</p>"
        f"<pre>{''.join(_marked(line) for line in change_lines(cluster.first))}</pre></details>"
        for cluster in clusters
    )
    return _PAGE.format(against=against, sections=sections or "<p>Nothing changed.</p>")


def workflow_commands(clusters: Iterable[Cluster], root: str) -> Iterator[str]:
    """Write the changes as GitHub's workflow commands, one a cluster, at its first file."""
    for cluster in clusters:
        first = cluster.first
        name = str(first.path).removeprefix(root).lstrip("/")
        text = "\n".join(list(change_lines(first))[:_LINES])
        yield f"::notice file={_command(name)},title={_command(_title(cluster))}::{_data(text)}"


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Recorded behaviour</title>
<style>body{{font:16px system-ui;max-width:70em;margin:2em auto;padding:0 1em}}pre{{white-space:\
pre-wrap;background:#8881;padding:1em}}summary{{font-weight:600}}del{{background:#f006}}ins{{\
background:#0f06;text-decoration:none}}</style>
<h1>Recorded behaviour{against}</h1>{sections}</html>
"""


def _title(cluster: Cluster) -> str:
    names = [change.path.name for change in cluster.changes]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    drifts = ", ".join(cluster.first.drifts) or "nothing but noise"
    return f"{inline(', '.join(names[:_NAMES]))}{more} · {cluster.first.kind} · {drifts}"


def _section(cluster: Cluster) -> str:
    lines = "\n".join(change_lines(cluster.first))
    longest = max((len(run) for run in re.findall(r"`{3,}", lines)), default=2)
    fence = "`" * (longest + 1)
    title = f"<summary><code>{html.escape(_title(cluster))}</code></summary>"
    return f"\n<details>{title}\n\n{fence}\n{lines}\n{fence}\n\n</details>\n"


def _commands(cluster: Cluster) -> Iterator[str]:
    first = cluster.first
    if first.verb:
        yield f"  decide:  {inline(first.verb)}"
        yield f"  or:      replay review --reject {_quoted(first.stem)}"
        return
    yield f"  accept:  replay review --accept {_shell(cluster)}"
    yield f"  reject:  replay review --reject {_shell(cluster)}"


def _shell(cluster: Cluster) -> str:
    return _quoted(cluster.first.path.name) if len(cluster.changes) == 1 else cluster.id


def _quoted(name: str) -> str:
    """Write *name* for a shell: somebody may have put a command into it."""
    return inline(shlex.quote(name))


def _values(step: Step) -> Iterator[str]:
    was, now = step.difference.recorded, step.difference.now
    if isinstance(was, str) and isinstance(now, str) and not _is_absent(was, now):
        yield from _cut(visible(word_diff(was, now)).splitlines())
        return
    for word, value in (("was", was), ("now", now)):
        if not _is_absent(value):
            yield from _labelled(word, value)


def _labelled(word: str, value: Json) -> Iterator[str]:
    """Show a value: a structure as one, when it does not fit on a line."""
    text = json.dumps(value, ensure_ascii=False)
    lines = (
        [text] if len(text) <= 80 else json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    )
    first, *others = _cut([visible(line) for line in lines])
    yield f"{word}: {first}"
    yield from (f"     {line}" for line in others)


def _cut(lines: list[str]) -> list[str]:
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_LINES]]
    left = len(lines) - len(shown)
    return [*(shown or [""]), *([f"… and {left} more lines"] if left else [])]


def _is_absent(*values: Json) -> bool:
    return ABSENT in values


def _deltas(was: Spent, now: Spent) -> str:
    said = []
    if was.tokens != now.tokens:
        said.append(f"tokens {was.tokens:,} → {now.tokens:,} ({now.tokens - was.tokens:+,})")
    if was.dollars != now.dollars and None not in (was.dollars, now.dollars):
        said.append(f"cost ${was.dollars:.6f} → ${now.dollars:.6f}")
    if abs(was.seconds - now.seconds) >= 0.1:
        said.append(f"latency {was.seconds:.1f} s → {now.seconds:.1f} s")
    return " · ".join(said)


def _json(clusters: Iterable[Cluster]) -> Json:
    return {
        "schema": SCHEMA,
        "clusters": [
            {
                "id": cluster.id,
                "files": [str(change.path) for change in cluster.changes],
                "stems": sorted({change.stem for change in cluster.changes}),
                "kind": cluster.first.kind,
                "drifts": list(cluster.first.drifts),
                "steps": [asdict(step) for step in cluster.first.steps],
                "was": _spent(cluster.first.was),
                "now": _spent(cluster.first.now),
                "verb": cluster.first.verb,
                "note": cluster.first.note,
            }
            for cluster in clusters
        ],
    }


def _spent(spent: Spent | None) -> Json:
    if spent is None:
        return None
    price: Decimal | None = spent.dollars
    return asdict(spent) | {"dollars": None if price is None else str(price)}


def _coloured(line: str) -> str:
    return _replaced(line, escape, "[red strike]{}[/]", "[green]{}[/]")


def _marked(line: str) -> str:
    return _replaced(line, html.escape, "<del>{}</del>", "<ins>{}</ins>") + "\n"


def _replaced(line: str, spelled: Callable[[str], str], gone: str, new: str) -> str:
    """Write the marks of a word diff in a markup of its own."""
    parts, end = [], 0
    for match in _WORDS.finditer(line):
        parts.append(spelled(line[end : match.start()]))
        mark = gone if match["gone"] is not None else new
        parts.append(mark.format(spelled(match[0])))
        end = match.end()
    return "".join([*parts, spelled(line[end:])])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
