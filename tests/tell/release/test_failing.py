"""What is not handed out of a recipe that is no better than the mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.stage import tell_run

TARGETS = ["crime", "health"]
WHY = "Not shown for health: dense-vgg16 cannot be told better than always predicting the mean"


def add_health(run: Run, worth: str) -> None:
    """Give a judged run a second target, judged to be worth something else."""
    for name in ("areas", "chips"):
        table = gpd.read_parquet(run.chips / f"{name}.parquet")
        table.assign(health=table["crime"] + 50).to_parquet(run.chips / f"{name}.parquet")
    facts = read_json(run.chips / "chips.json")
    write_json(run.chips / "chips.json", facts | {"targets": TARGETS})
    summary = pd.read_csv(run.describe / "summary.csv", index_col=0)
    pd.concat([summary, summary.rename({"crime": "health"})]).to_csv(run.describe / "summary.csv")
    evaluate = run.folder / "evaluate"
    for path in (run.predictions, evaluate / "residuals.parquet"):
        table = pd.read_parquet(path)
        pd.concat([table, table.assign(target="health")]).to_parquet(path)
    ranked = pd.read_csv(evaluate / "targeting.csv", dtype=str)
    both = pd.concat([ranked, ranked.assign(target="health")])
    both.to_csv(evaluate / "targeting.csv", index=False)
    for path in (run.scores, *(evaluate / f"{n}.json" for n in ("coverage", "targeting"))):
        records = read_json(path)
        more = [record | {"target": "health"} for record in records]
        if path == run.scores:
            more[0]["worth"] = worth
        write_json(path, records + more)


@pytest.fixture(scope="module", params=["better", "no_better", "unsure", "worse", "no_interval"])
def case(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> tuple[Run, bool]:
    """A run that is told, and whether its recipe may be shown for health."""
    run = write_judged(tmp_path_factory.mktemp(request.param) / "run")
    add_health(run, request.param)
    tell_run(open_settings, run)
    return run, request.param == "better"


def read_part(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}"')
    return page[start : page.index('<section id="', start + 1)]


def test_tables_have_no_prediction_of_it_and_say_why(case: tuple[Run, bool]) -> None:
    run, is_shown = case
    table = pd.read_csv(run.folder / "public" / "areas.csv")
    assert "crime_predicted" in table
    assert "health_observed" in table
    for name in ("health_predicted", "health_low_80", "health_high_80", "health_is_inside"):
        assert (name in table) == is_shown
    geojson = (run.folder / "public" / "areas.geojson").read_text(encoding="utf-8")
    assert ('"health_predicted"' in geojson) == is_shown
    told = (run.folder / "public" / "areas.md").read_text(encoding="utf-8")
    assert (WHY in told) == (not is_shown)


def test_the_public_page_has_no_list_and_no_layer_of_it_and_says_why(
    case: tuple[Run, bool],
) -> None:
    run, is_shown = case
    page = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
    options = re.findall(r"<option value=\"\d\">(\w+)</option>", page)
    assert options == (["Crime", "Health"] if is_shown else ["Crime"])
    answers = dict(re.findall(r'<th scope="row">(\w+)</th><td class="text">([^<]+)</td>', page))
    assert answers["crime"] == "yes"
    assert (answers["health"] == "yes") == is_shown
    assert ("that could not be shown" in page) == (not is_shown)
    # The layers themselves: what the script of the map draws.
    layers = page[page.index('id="map-layers"') :].split("</script>")[0]
    assert ('"name":"Health"' in layers) == is_shown
    withheld = [entry["item"] for entry in read_json(run.folder / "publish.json")["withheld"]]
    assert ("predictions of areas, ranked or on a map: health" in withheld) == (not is_shown)


def test_the_record_lists_no_figure_of_it(case: tuple[Run, bool]) -> None:
    run, is_shown = case
    figures = read_json(run.folder / "publish.json")["figures"]
    assert [figure["target"] for figure in figures] == (TARGETS if is_shown else ["crime"])


def test_the_analysts_page_keeps_them_marked(case: tuple[Run, bool]) -> None:
    run, is_shown = case
    lists = read_part(run.report.read_text(encoding="utf-8"), "targeting")
    assert "Areas predicted worst for health" in lists
    assert lists.count("this order may be chance, and is not published") == (not is_shown)


def test_narrowed_facts_hold_no_row_of_it(case: tuple[Run, bool], open_settings: Settings) -> None:
    run, is_shown = case
    facts: Facts = read_facts(open_settings, run)
    narrowed = narrow_facts(facts, decide_release(facts.samples.areas, open_settings.publish))
    judged = narrowed.judged
    for table in (narrowed.predictions, judged.residuals, judged.ranked):
        assert set(table["target"]) == (set(TARGETS) if is_shown else {"crime"})
    # What is told of all areas together stays: that it finds nobody is worth knowing.
    assert {record["target"] for record in judged.targeting} == set(TARGETS)
