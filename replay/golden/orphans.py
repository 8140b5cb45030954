"""Orphans: cassettes that no golden test plays any more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from replay.config import Config
from replay.errors import NotCollected


def find_orphans(config: Config) -> list[Path]:
    """
    List the cassettes whose stem no collected golden test has.

    Raises:
        NotCollected: a test module fails to import, so its tests are not known.

    """
    stems = _collected_stems(config.root)
    folder = config.path(config.cassettes)
    return [path for path in sorted(folder.glob("*.yaml")) if path.stem not in stems]


def _collected_stems(root: Path) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stems"
        done = subprocess.run(  # noqa: S603 - pytest of this environment, on the user's own tests
            [sys.executable, "-m", "pytest", "--collect-only", "-q", f"--golden-stems={file}"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 5:
            return set()
        if done.returncode or not file.is_file():
            raise NotCollected((done.stdout + done.stderr).strip()[-2000:])
        return set(file.read_text("utf-8").splitlines())
