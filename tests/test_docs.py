"""The documentation held against the program, without Sphinx: `make docs` builds all of it."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import basrelief
from basrelief import cli
from basrelief.config import Settings
from basrelief.schema import make_schema
from basrelief.serve.settings import ServeSettings
from basrelief.tell.page.sections import SECTIONS
from basrelief.toml import list_keys

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md")])
NOTEBOOKS = sorted(DOCS.glob("notebooks/*.py"))

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pages() -> Any:
    """The module that writes pages from the program, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def strip_code(text: str) -> str:
    """A page without what stands between fences."""
    return FENCE.sub("", text)


def find_anchors(path: Path) -> set[str]:
    """What links can lead to within a page: its headings, as MyST and GitHub name them."""
    headings = re.findall(r"^#+ (.+)$", strip_code(path.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [re.sub(r"[`*]", "", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(strip_code(path.read_text(encoding="utf-8"))):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        # A notebook's page is made of its script.
        script = re.sub(r"(^|/)gallery/(.+)$", r"\1notebooks/\2.py", place)
        script = script.replace("index.py", "GALLERY_HEADER.rst")
        there = (path.parent / script) if place else path
        if not there.exists() or (anchor and anchor not in find_anchors(there)):
            broken.append(link)
    assert broken == []


def find_listed(path: Path) -> Iterator[Path]:
    """The pages that a page lists, and those that these list."""
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    for line in "\n".join(trees).splitlines():
        if line and not line.startswith((":", "gallery")):
            yield (path.parent / f"{line}.md").resolve()


def test_every_page_is_listed_once() -> None:
    listed = list(find_listed(DOCS / "index.md"))
    assert len(listed) == len(set(listed))
    assert [path for path in listed if not path.is_file()] == []
    # README is the page of the repository, and the index is that of the documentation.
    assert set(PAGES) - set(listed) == {ROOT / "README.md", DOCS / "index.md"}


def test_every_key_of_a_configuration_has_its_lines(pages: Any) -> None:
    text = "\n\n".join(pages.write_tables(make_schema()))
    told = dict(re.findall(r"^`([\w.]+)`\n: (.+)$", text, re.MULTILINE))
    # Of the models themselves, for the page is made of their schema.
    assert sorted(name.replace(".NAME", "") for name in told) == sorted(list_keys(Settings))
    assert min(len(line) for line in told.values()) > len("A number.")
    assert text.count("*Takes* ") == len(told)
    assert doctest.testmod(pages).failed == 0


def test_every_command_has_its_help_with_an_example(pages: Any) -> None:
    sections = list(pages.write_commands())
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    assert len(sections) == 1 + len(commands)
    for name, section in zip(commands, sections[1:], strict=True):
        assert section.startswith(f"## `basrelief {name}`")
        assert f"Example: basrelief {name}" in section
        assert "-h, --help" in section
    assert max(len(line) for line in "\n".join(sections).splitlines()) <= pages.WIDTH + 2


def test_every_public_name_stands_on_the_page_of_the_api() -> None:
    named = re.findall(r"^\.\. auto\w+:: (\w+)", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == basrelief.__all__


def test_every_section_of_the_report_is_explained() -> None:
    page = (DOCS / "report.md").read_text(encoding="utf-8").partition("## Section by section")[2]
    told = re.findall(r"^\| ([^|]+) \|", page.partition("\n## ")[0], re.MULTILINE)
    assert told[1:] == [section.title for section in SECTIONS]


def find_blocks(kind: str) -> list[Any]:
    """The blocks of code of a kind on the pages for users."""
    users = [*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md"), ROOT / "README.md"]
    found = [
        pytest.param(block, id=f"{path.stem}-{number}")
        for path in sorted(users)
        for number, (named, block) in enumerate(FENCE.findall(path.read_text(encoding="utf-8")))
        if named == kind
    ]
    assert found
    return found


@pytest.mark.parametrize("block", find_blocks("toml"))
def test_configurations_on_pages_are_such(block: str) -> None:
    table = tomllib.loads(block)
    # Of a part of a file, the inputs are left to the reader; a recipe is no configuration.
    if "kind" in table:
        return
    if block.startswith("# serve.toml"):
        ServeSettings.model_validate_json(json.dumps(table))
        return
    inputs = {"areas": "a", "labels": "b", "dsm": "c"}
    data = table.setdefault("data", {})
    if not {"images", "areas"} & set(data):
        table["data"] = inputs | data
    Settings.model_validate(table)


@pytest.mark.parametrize("block", find_blocks(""))
def test_commands_on_pages_are_such(block: str) -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["basrelief"] or words[1].startswith("--"):
            continue
        options = {name for param in commands[words[1]].params for name in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_have_a_title_and_cells(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    title, rule = (ast.get_docstring(ast.parse(text)) or "").splitlines()[:2]
    assert rule == "=" * len(title)
    assert text.count("\n# %%\n") >= 3


def test_a_finished_run_is_opened_without_this_program() -> None:
    tree = ast.parse((DOCS / "notebooks" / "2_open_a_run.py").read_text(encoding="utf-8"))
    names = {
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    }
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"json", "pathlib", "geopandas", "matplotlib.pyplot", "pandas"}
