"""
Measure goldens: normalization by itself, a golden test beside its peers, and 2,000 of them.

`python -m bench.goldens [FOLDER]` normalizes the bodies of the cassettes in FOLDER, by default our
own. Tests run in an inner pytest, in a process of its own; its CPU seconds are taken, which another
load on the machine leaves alone. The contenders take turns, and the median is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console

from bench.tables import Figure, Table, figure, medians, show, timed
from replay.canonical import json_body
from replay.cassettes.check import cassette_paths
from replay.cassettes.files import read_cassette
from replay.errors import Damaged
from replay.golden.normalization import normalized

Rows = dict[str, dict[str, Figure]]

MANY = 2_000
FEW = 200
_ANSWER = {"id": "chatcmpl-C8zXqPzJ0VvJm7Hn", "created": 1795248870, "text": "All is well. " * 20}

_HEAD = "import httpx, pytest\nANSWER = {answer!r}\n@pytest.mark.parametrize('n', range({count}))\n"
_GET = "    httpx.get('http://127.0.0.1:9/orders', params={'n': n})\n"
TESTS = {
    "bare": _HEAD + "def test_it(n):\n    assert {{**ANSWER, 'n': n}}\n",
    "syrupy": _HEAD + "def test_it(n, snapshot):\n    assert {{**ANSWER, 'n': n}} == snapshot\n",
    "syrupy, a file each": (
        "from syrupy.extensions.json import JSONSnapshotExtension\n"
        + _HEAD
        + "def test_it(n, snapshot):\n    own = snapshot.use_extension(JSONSnapshotExtension)\n"
        "    assert {{**ANSWER, 'n': n}} == own\n"
    ),
    "golden": _HEAD + "def test_it(n, golden):\n    assert {{**ANSWER, 'n': n}} == golden\n",
}
WITH_TRAFFIC = {
    "vcr + syrupy": _HEAD
    + "@pytest.mark.vcr\ndef test_it(n, snapshot):\n"
    + _GET.replace("{", "{{").replace("}", "}}")
    + "    assert {{**ANSWER, 'n': n}} == snapshot\n",
    "golden, played": _HEAD
    + "@pytest.mark.golden\ndef test_it(n, golden):\n"
    + _GET.replace("{", "{{").replace("}", "}}")
    + "    assert {{**ANSWER, 'n': n}} == golden\n",
}


def normalization(bodies: list[bytes], rounds: int) -> dict[str, Figure]:
    """Seconds a MB of *bodies*: parsed and written by json, and normalized."""
    values = [json.loads(body) for body in bodies]
    size = sum(map(len, bodies)) / 1e6

    def both() -> None:
        for body in bodies:
            json.dumps(json.loads(body))

    def ours() -> None:
        for value in values:
            normalized(value)

    work = {"json.loads + dumps": both, "normalized": ours}
    return medians(rounds, {name: lambda run=run: timed(run) / size for name, run in work.items()})


def bodies_in(paths: Iterable[Path]) -> list[bytes]:
    """Take every JSON body out of the cassettes."""
    found = []
    for path in paths:
        try:
            interactions = read_cassette(path).interactions
        except Damaged:
            continue
        halves = [half for i in interactions for half in (i.request, i.response) if half]
        found += [half.body for half in halves if json_body(half.body) is not None]
    return found


def suites(tests: dict[str, str], count: int, rounds: int, *, cassettes: bool) -> tuple[Rows, Rows]:
    """CPU seconds, and peak bytes, of runs of *count* tests: of one that writes, and that pass."""
    with tempfile.TemporaryDirectory() as name:
        folders = {suite: Path(name) / str(place) for place, suite in enumerate(tests)}
        written = {}
        for suite, folder in folders.items():
            folder.mkdir()
            (folder / "pyproject.toml").write_text("[tool.replay]\n")
            (folder / "test_it.py").write_text(tests[suite].format(answer=_ANSWER, count=count))
            if cassettes:
                _cassettes(folder, count)
            written[suite] = Figure(_pytest(folder, "--snapshot-update")[0])
        runs = [
            {suite: _pytest(folder) for suite, folder in folders.items()} for _ in range(rounds)
        ]
    seconds = {suite: figure([run[suite][0] for run in runs]) for suite in tests}
    peaks = {suite: figure([run[suite][1] for run in runs]) for suite in tests}
    return {"passed": seconds, "written": written}, {"passed": peaks}


def _cassettes(folder: Path, count: int) -> None:
    """Write what both players read: a call each, in the places where they look for it."""
    text = (
        "interactions:\n- request:\n    body: ''\n    headers: {{}}\n    method: GET\n"
        "    uri: http://127.0.0.1:9/orders?n={n}\n  response:\n    body:\n      string: '{{}}'\n"
        "    headers:\n      Content-Type: [application/json]\n"
        "    status:\n      code: 200\n      message: OK\nversion: 1\n"
    )
    (folder / "cassettes" / "test_it").mkdir(parents=True)
    for n in range(count):
        for path in (f"test_it/test_it[{n}].yaml", f"test_it.test_it[{n}].yaml"):
            (folder / "cassettes" / path).write_text(text.format(n=n))


_RUN = (
    "import pathlib, sys, time, pytest\n"
    "code = pytest.main(sys.argv[1:])\n"
    "status = pathlib.Path('/proc/self/status').read_text()\n"
    "peak = status.partition('VmHWM:')[2].split()[0]\n"
    "print('used', time.process_time(), int(peak) * 1024)\n"
    "sys.exit(code)"
)
"""Not `ru_maxrss`, in which a process has also what its parent held when it began."""


def _pytest(folder: Path, *options: str) -> tuple[float, float]:
    env = os.environ | {"TEST_MODE": "GOLDEN", "CI": "false"}
    absent = ("cacheprovider", "randomly", "xdist", "cassetter")  # which claims --record-mode too
    plain = ("-q", *(f"-pno:{name}" for name in absent))
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *plain, *options],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stdout[-3000:] + done.stderr[-2000:])
    seconds, peak = done.stdout.rpartition("used ")[2].split()
    return float(seconds), float(peak)


def tables(rounds: int, folder: Path = Path("cassettes"), many: int = MANY) -> Iterator[Table]:
    """Measure normalization over the cassettes in *folder*, and golden tests beside syrupy's."""
    bodies = bodies_in(cassette_paths([folder]))
    size = f"{sum(map(len, bodies)) / 1e6:.1f} MB of bodies"
    row = normalization(bodies, rounds)
    yield Table("normalize, a MB", "json.loads + dumps", {size: row})
    rounds = min(rounds, 3)  # each is a run of thousands of tests
    seconds, peaks = suites(TESTS, many, rounds, cassettes=False)
    yield Table(f"{many:,} goldens, CPU of the run", "syrupy", seconds)
    yield Table(f"{many:,} goldens, peak memory of the run", "syrupy", peaks, unit="B")
    seconds, _ = suites(WITH_TRAFFIC, FEW, rounds, cassettes=True)
    yield Table(f"{FEW} tests with a recorded call, CPU of the run", "vcr + syrupy", seconds)


@click.command()
@click.argument("folder", type=Path, default=Path("cassettes"))
@click.option("--rounds", default=3, show_default=True, help="Rounds; the median is shown.")
@click.option("--many", default=MANY, show_default=True, help="Goldens in the large suite.")
def main(folder: Path, rounds: int, many: int) -> None:
    """Measure normalization over the cassettes in FOLDER, and golden tests beside syrupy's."""
    for table in tables(rounds, folder, many):
        show(table, Console(width=140))


if __name__ == "__main__":
    main()
