"""One target under atheris, which follows what the code does to each input."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["replay", "yaml"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()
