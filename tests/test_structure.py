"""The rooms and what they may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "basrelief"
ROOMS = [
    "names",
    "toml",
    "values",
    "eyes",
    "typed",
    "stage_settings",
    "config",
    "schema",
    "run",
    "locks",
    "hashes",
    "signals",
    "marks",
    "reader",
    "grid",
    "style",
    "drawing",
    "sources",
    "chips",
    "splits",
]
ROOMS += ["learn", "judge", "explain", "tell", "serve"]
ROOMS += ["stages", "running", "estimates", "check", "commands"]
WINGS = ["release", "maps", "page", "resident", "cards", "stage"]
"""Of `tell`, each below what it may import; what lies in no wing is below them all."""


def imported_modules(path: Path, *inside: str) -> list[list[str]]:
    """Names, by their parts, of what a file imports from the package, or from a room of it."""
    tree = ast.parse(path.read_text())
    names = [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            # A module can be what is imported, as well as where from.
            names += [f"{node.module}.{name.name}" for name in node.names]
    start = ".".join(("basrelief", *inside))
    return [name.split(".") for name in names if name.startswith(f"{start}.")]


def imported_rooms(path: Path) -> set[str]:
    return {parts[1] for parts in imported_modules(path)} - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_a_room_imports_only_from_rooms_above(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ("cli", "__init__"):
        return
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "tell").rglob("*.py")), ids=lambda path: path.stem
)
def test_a_wing_imports_only_from_wings_below(path: Path) -> None:
    wing = path.relative_to(PACKAGE / "tell").parts[0].removesuffix(".py")
    above = WINGS[WINGS.index(wing) + 1 :] if wing in WINGS else WINGS
    assert not {parts[2] for parts in imported_modules(path, "tell")} & set(above)


@pytest.mark.parametrize("stage", ["chips", "describe", "split"])
def test_a_stage_before_training_needs_no_torch(stage: str, town: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from basrelief import config, stages\n"
        f"next(each for each in stages.STAGES if each.name == {stage!r}).work()\n"
        "from basrelief.run import Run\n"
        f"settings = config.load_settings(Path({str(town)!r}))\n"
        "stages.fingerprint_stages(settings, Run(settings.locate('none')))\n"
        "print(*{'torch', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_page_of_the_architecture_says_of_every_file_what_it_says_itself() -> None:
    page = (PACKAGE.parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = page.partition("```\nnames.py")[2].partition("```")[0]
    listed = [line.strip().split(maxsplit=1) for line in ("names.py" + tree).splitlines()]
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    # A room's own words stand in its __init__.py.
    named = {path: f"{path.parent.name}/" for path in files if path.name == "__init__.py"}
    said = [[named.get(path, path.name), read_first_words(path)] for path in files]
    assert sorted(line for line in listed if line[0] != "recipes/") == sorted(said)


def read_first_words(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).removesuffix(".")


def test_warnings_that_are_meant_for_programmers_are_not_shown() -> None:
    """A library that asks for all warnings of all others must not be heard."""
    code = (
        "import warnings, basrelief.cli, basrelief.tell.stage\n"
        "print(any(f[0] == 'always' and f[2] is Warning for f in warnings.filters))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
