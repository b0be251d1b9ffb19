"""The rooms and what they may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "basrelief"
ROOMS = ["config", "run", "reader", "grid", "style", "drawing", "sources", "chips", "splits"]
ROOMS += ["learn", "judge", "explain", "tell", "stages"]


def imported_rooms(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]
    inside = [module.split(".") for module in modules if module.startswith("basrelief.")]
    return {parts[1] for parts in inside}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_a_room_imports_only_from_rooms_above(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ("cli", "__init__"):
        return
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    assert imported_rooms(path) <= allowed


@pytest.mark.parametrize("stage", ["chips", "describe", "split"])
def test_a_stage_before_training_needs_no_torch(stage: str, town: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from basrelief import config, stages\n"
        f"next(each for each in stages.STAGES if each.name == {stage!r}).work()\n"
        f"stages.fingerprint_stages(config.load_settings(Path({str(town)!r})))\n"
        "print(*{'torch', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
