"""Whether axe, which knows the rules of accessibility, finds fault with a page."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from basrelief.run import Run
from basrelief.tell.page.comparison import tell_comparison_of

AXE = "axe-core@4.14.1"
"""As its registry has it: fetched for the test alone, and no part of the program."""

LOUD = ("serious", "critical")
"""What axe calls faults that keep people out."""

SHOW_ALL = """
for (const part of document.querySelectorAll(".part")) part.removeAttribute("hidden");
for (const fold of document.querySelectorAll("details")) fold.open = true;
"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", "--silent", AXE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot fetch {AXE}: {error}")
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def list_faults(browser: Any, path: Path, axe: str, colours: str) -> list[str]:
    """What axe finds serious or critical on a page, all of it shown."""
    page = browser.new_page(color_scheme=colours)
    page.goto(path.as_uri())
    page.evaluate(SHOW_ALL)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    page.close()
    # A page of which it can see nothing has no faults.
    assert len(found["passes"]) > 10
    return [
        f"{fault['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in LOUD
        for node in fault["nodes"][:3]
    ]


@pytest.fixture(scope="module")
def pages(town_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of the town: the analyst's, the public one, and of the run beside itself."""
    compared = tmp_path_factory.mktemp("compared") / "comparison.html"
    tell_comparison_of(town_run, town_run, compared)
    public = town_run.folder / "public" / "report.html"
    return {"report": town_run.report, "public": public, "comparison": compared}


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "public", "comparison"])
def test_axe_finds_nothing_serious(
    no_webgl: Any, pages: dict[str, Path], axe: str, name: str, colours: str
) -> None:
    assert list_faults(no_webgl, pages[name], axe, colours) == []


def test_axe_finds_what_was_planted(no_webgl: Any, axe: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    body = '<main><h1>A</h1><img src="a.png"><p style="color:#ccc">pale</p></main>' + "<p>b</p>" * 3
    page.write_text(f"<!doctype html><html><title>A</title><body>{body}", encoding="utf-8")
    faults = " ".join(list_faults(no_webgl, page, axe, "light"))
    assert {"image-alt", "html-has-lang", "color-contrast"} <= set(faults.replace(":", " ").split())
