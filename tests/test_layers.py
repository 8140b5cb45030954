"""The shape of the house: who may import whom, who owns which library, and what stays light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "replay"

CORE = (
    "errors",
    "model",
    "canonical",
    "config",
    "contrast",
    "atomic",
    "commands",
    "filenames",
    "imports",
    "instants",
    "spelling",
    "visible",
    "wording",
)
LAYERS = (
    *CORE,
    "cassettes",
    "llm",
    "episodes",
    "golden",
    "mocks",
    "drift",
    "engine",
    "asgi",
    "batch",
    "reports",
    "plugin",
    "cli",
    "__main__",
)
ABOVE_ALL = ("plugin", "cli", "__main__")

HOMES = {
    "vcr": "cassettes",
    "yaml": "cassettes",
    "jsonpath": "cassettes",
    "httpx": "cassettes",
    "aiohttp": "cassettes",
    "urllib3": "cassettes",
    "filelock": "cassettes",
    "botocore": "cassettes",
    "platformdirs": "cassettes",
    "brotli": "cassettes",
    "zstandard": "cassettes",
    "genai_prices": "llm",
    "sqlite_utils": "episodes",
    "sqlite3": "episodes",
    "syrupy": "golden",
    "time_machine": "golden",
    "scipy": "drift",
    "numpy": "drift",
    "distributed": "batch",
    "jinja2": "reports",
    "pygal": "reports",
    "rich": "reports",
    "pytest": "plugin",
    "click": "cli",
}
HEAVY = {
    "scipy",
    "pygal",
    "openai",
    "vcr",
    "syrupy",
    "sqlite_utils",
    "jinja2",
    "rich",
    "httpx",
    "httpx2",
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Every module that *path* names in an import that runs."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def part(path: Path) -> str:
    """The room that a module stands in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    """A part imports itself and what stands above it in the list, and nothing imports the top."""

    own = part(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("replay.")}
    used &= set(LAYERS)

    if own != "__init__":
        above = LAYERS.index(own)
        core = own in CORE
        assert not {u for u in used if LAYERS.index(u) > above and not (core and u in CORE)}
    assert not {u for u in used if u in ABOVE_ALL and own not in (u, "__main__")}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_library_has_one_home(path):
    """What a library is used for is found in one room."""

    used = {name.split(".")[0] for name in imports(path)}

    assert not {name for name in used & set(HOMES) if HOMES[name] != part(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_group_is_possessive(path):
    """Before Python 3.11.5 those with choices in them match wrongly (CPython's issue 106052)."""

    assert not re.search(r"\)(?:[*+?]|\{[\d,]+\})\+", path.read_text("utf-8"))


@pytest.mark.parametrize("module", ["replay", "replay.plugin", "replay.cli"])
def test_stays_light(module):
    """The plugin is imported in every run of everyone who installs it."""

    code = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert HEAVY.isdisjoint(done.stdout.split())


def test_core_is_standard_library():
    """
    The words and their canonical forms depend on nothing that could change under them.

    But for a parser, which tests/test_canonical.py holds to what `json` says.
    """

    used = {name.split(".")[0] for own in CORE for name in imports(PACKAGE / f"{own}.py")}

    assert used <= sys.stdlib_module_names | {"replay", "__future__", "pydantic_core"}
