"""Benchmarks run for hours, and so in no test; that their imports are there, a test can say."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_imports_what_the_package_has(path: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("basrelief"):
            module = importlib.import_module(str(node.module))
            # What stands beside a package's names may be a module of its own.
            names = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            missing += [name for name in names if not _is_module(f"{node.module}.{name}")]
    assert missing == []


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True
