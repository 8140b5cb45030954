"""One target under atheris, which follows what the code does to each input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["replay", "yaml"]):
    from fuzz.targets import TARGETS


def keeping(target: Callable[[bytes], None], path: Path) -> Callable[[bytes], None]:
    """Write the input that breaks *target* to *path*: libFuzzer does it for crashes only."""

    def tried(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            path.write_bytes(data)
            raise

    return tried


if __name__ == "__main__":
    name, broken, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], keeping(TARGETS[name], Path(broken)))
    atheris.Fuzz()
