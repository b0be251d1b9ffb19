"""Barriers say that some of their indicators are set by district, wherever they are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from basrelief.config import Settings
from basrelief.run import Run, read_json
from basrelief.sources.iod import IOD
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.stage import tell_run
from basrelief.tell.words import say_by_district

NOTE = "such as homelessness, are set by district and shared by all its areas"


def rename_target(run: Run, target: str) -> None:
    """Call the one target of a judged run something else, in every file."""
    for path in run.folder.rglob("*.json"):
        path.write_text(path.read_text().replace('"crime"', f'"{target}"'))
    for path in run.chips.glob("*.parquet"):
        if path.name != "membership.parquet":
            gpd.read_parquet(path).rename(columns={"crime": target}).to_parquet(path)
    summary = pd.read_csv(run.describe / "summary.csv", index_col=0)
    summary.rename({"crime": target}).to_csv(run.describe / "summary.csv")
    for path in (run.predictions, run.folder / "evaluate" / "residuals.parquet"):
        pd.read_parquet(path).assign(target=target).to_parquet(path)
    listed = run.folder / "evaluate" / "targeting.csv"
    pd.read_csv(listed, dtype=str).assign(target=target).to_csv(listed, index=False)


@pytest.fixture(scope="module", params=["barriers", "income"])
def case(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> tuple[Run, bool]:
    """A run of one target, and whether some of its indicators are set by district."""
    run = write_judged(tmp_path_factory.mktemp(request.param) / "run")
    rename_target(run, request.param)
    write_maps(open_settings, run)
    tell_run(open_settings, run)
    return run, request.param == "barriers"


def test_the_public_page_says_it(case: tuple[Run, bool]) -> None:
    run, is_told = case
    page = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
    assert ("is set for a whole district at once" in page) == is_told


@pytest.mark.parametrize("part", ["verdict", "results", "map"])
def test_the_page_says_it(case: tuple[Run, bool], part: str) -> None:
    run, is_told = case
    page = run.report.read_text(encoding="utf-8")
    if part == "map":
        text = page[page.index('id="map-layers"') :].split("</script>")[0]
    else:
        start = page.index(f'<section id="{part}"')
        text = page[start : page.index('<section id="', start + 1)]
    assert (NOTE in re.sub(r"\s+", " ", text)) == is_told


def test_card_and_maps_say_it(case: tuple[Run, bool]) -> None:
    run, is_told = case
    assert (NOTE in (run.folder / "model_card.md").read_text(encoding="utf-8")) == is_told
    (layer,) = read_json(run.maps / "layers.json")
    assert (NOTE in layer["says"]) == is_told


def test_of_a_made_up_town_nothing_is_said(
    case: tuple[Run, bool], judged_settings: Settings
) -> None:
    run, _ = case
    facts = read_facts(judged_settings, run)
    town = replace(facts, truth=dict.fromkeys(facts.samples.targets, "place alone"))
    assert town.say_by_district("barriers") == ""


def test_what_is_set_by_district_is_a_target_of_the_index() -> None:
    assert set(IOD.by_district) <= set(IOD.headings)
    assert all(say_by_district(target) for target in IOD.by_district)
    assert say_by_district("a column of one's own") == ""
