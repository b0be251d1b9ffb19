from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from basrelief import __version__

ROOT = Path(__file__).parents[1]


def test_the_citation_is_complete_and_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    keys = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert keys >= {"cff-version", "message", "title", "type", "abstract", "version", "license"}
    assert keys >= {"authors", "date-released", "keywords"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"version: {__version__}\n" in text
    assert f"license: {project['license']}\n" in text
    # One place says it: what is built reads it there.
    assert project["dynamic"] == ["version"]
    assert version("basrelief") == __version__
