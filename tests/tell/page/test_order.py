"""Lists of the pages are in order of a number that stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import HeatPicture
from basrelief.tell.page.data import _show_daily_crimes
from basrelief.tell.page.looks import _show_heat
from basrelief.tell.stage import tell_run


def read_tables(section: str) -> list[list[list[str]]]:
    """Read the tables of a section: heads first, cells as a reader sees them."""

    def strip(cell: str) -> str:
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", cell))).strip()

    tables = []
    for table in re.findall(r"<table.*?</table>", section, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
        tables.append([[strip(cell) for cell in row] for row in cells])
    return tables


def read_number(text: str) -> float:
    return float(text.split()[0].replace("−", "-"))


def cut_section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}"')
    return page[start : page.index('<section id="', start + 1)]


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> Run:
    run = write_judged(tmp_path_factory.mktemp("ordered") / "run")
    tell_run(open_settings, run)
    return run


def check_ranked(page: str) -> int:
    """Check every ranked list of a page; give the areas listed."""
    n_listed = 0
    for head, *rows in read_tables(cut_section(page, "targeting")):
        if head[0] != "rank":
            continue
        shown = [read_number(row[head.index("above the mean")]) for row in rows]
        ranks = [int(row[0]) for row in rows]
        assert shown == sorted(shown, reverse=True)
        assert ranks == sorted(ranks)
        n_listed += len(rows)
    return n_listed


def test_areas_predicted_worst_are_in_order_of_the_first_number_shown(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    assert check_ranked(page) == 20
    # By the prediction itself they are not: the mean of its training data differs.
    ranked = (t for t in read_tables(cut_section(page, "targeting")) if t[0][0] == "rank")
    for head, *rows in ranked:
        predicted = [read_number(row[head.index("predicted")]) for row in rows]
        assert predicted != sorted(predicted, reverse=True)


def test_ranked_lists_of_a_real_run_are_in_order(town_run: Run) -> None:
    assert check_ranked(town_run.report.read_text(encoding="utf-8")) >= 20
    listed = pd.read_csv(town_run.folder / "evaluate" / "targeting.csv")
    for _, mine in listed.groupby(["recipe", "target"]):
        assert mine["lift"].is_monotonic_decreasing
        assert mine["rank"].is_monotonic_increasing


def test_boroughs_are_in_order_of_the_sum_that_stands_first(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    tables = read_tables(cut_section(page, "data"))
    (crimes,) = (table for table in tables if table[0][0] == "borough")
    assert crimes[0][1] == "all"
    sums = [read_number(row[1]) for row in crimes[1:]]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] == pytest.approx(sum(read_number(cell) for cell in crimes[1][2:]), abs=0.1)


def test_the_sum_of_a_borough_is_that_of_its_categories() -> None:
    daily = pd.DataFrame({"theft": [9.0, 3.0], "burglary": [1.0, 2.0]}, index=["Barnet", "Brent"])
    shown = _show_daily_crimes(daily)
    assert shown is not None
    assert shown["categories"] == ["all", "theft", "burglary"]
    assert shown["rows"] == [("Barnet", [10.0, 9.0, 1.0]), ("Brent", [5.0, 3.0, 2.0])]


def test_chips_furthest_from_the_truth_say_how_far(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "chip.png"
    Image.new("RGB", (4, 2)).save(picture)
    record = {"chip_id": "a", "y_pred": -0.5, "y_true": 1.25, "share_positive": 1.0}
    record |= {"share_negative": 0.0}
    worst = _show_heat(HeatPicture(picture, record | {"kind": "worst"})).caption
    assert worst.replace("\u00a0", " ").endswith("observed 1.25, 1.75 apart")
    assert "apart" not in _show_heat(HeatPicture(picture, record | {"kind": "highest"})).caption


def test_districts_stand_by_the_names_that_are_shown(town_run: Run) -> None:
    page = town_run.report.read_text(encoding="utf-8")
    for head, *rows in read_tables(cut_section(page, "failures")):
        if head[0] == "district":
            names = [row[0] for row in rows]
            assert names == sorted(names)
