"""National tenths beside scores: read as published, told of areas that are shown, never made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest

from basrelief.config import Settings
from basrelief.run import Notes, Run, no_notes
from basrelief.sources.labels import read_labels
from basrelief.stage_settings import PublishSettings
from basrelief.tell.facts import read_facts
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.resident import map as resident_map
from basrelief.typed import Typed

CODE = "LSOA code (2011)"
DECILE = "Crime Decile (where 1 is most deprived 10% of LSOAs)"


def read(path: Path, table: pd.DataFrame, notes: Notes | None = None) -> pd.DataFrame:
    table.to_csv(path / "labels.csv", index=False)
    typed = Typed("labels", "labels.csv", path / "labels.csv")
    return read_labels(typed, ["crime"], None, notes or no_notes())


def make_table(n: int = 20) -> pd.DataFrame:
    """Scores and tenths as File 7 heads them; the highest score is in the first tenth."""
    codes = [f"E010000{number:02}" for number in range(n)]
    table = pd.DataFrame({CODE: codes, "Crime Score": np.linspace(2, -2, n).round(3)})
    return table.assign(**{DECILE: 1 + 10 * np.arange(n) // n})


def test_tenths_are_read_as_they_are_published(tmp_path: Path) -> None:
    labels = read(tmp_path, make_table())
    # By another way: twenty areas in order make two a tenth.
    ranks = labels["crime"].rank(ascending=False, method="first")
    assert labels["tenth_crime"].tolist() == np.ceil(ranks / 2).tolist()


def test_of_scores_alone_no_tenth_is_made(tmp_path: Path) -> None:
    assert list(read(tmp_path, make_table().drop(columns=DECILE))) == ["crime"]


def test_a_column_that_counts_from_the_other_end_or_of_another_score_is_no_tenth(
    tmp_path: Path,
) -> None:
    for heading in ("Crime Decile (where 10 is most deprived)", DECILE.replace("Crime", "Health")):
        assert list(read(tmp_path, make_table().rename(columns={DECILE: heading}))) == ["crime"]


def test_what_is_no_tenth_is_unknown_and_noted(tmp_path: Path) -> None:
    notes = Notes(Run(tmp_path / "run", quiet=True))
    labels = read(tmp_path, make_table().assign(**{DECILE: [0, 11, *[3] * 18]}), notes)
    assert labels["tenth_crime"].isna().tolist() == [True, True, *[False] * 18]
    (line,) = notes.lines
    assert "2 are no tenths from 1 to 10" in line


def test_the_towns_tenths_reach_the_maps_and_are_those_of_its_table(
    town: Path, town_settings: Settings, town_run: Run
) -> None:
    assert town_settings.data.labels is not None
    table = pd.read_csv(town_settings.locate(town_settings.data.labels))
    published = table.set_index(CODE)[DECILE]
    areas = pyogrio.read_dataframe(town_run.maps / "areas.gpkg", layer="crime")
    known = areas.dropna(subset=["tenth"])
    assert len(known) > 10
    assert known["tenth"].tolist() == published.loc[known["area_id"]].tolist()


def test_a_withheld_area_has_no_tenth_on_the_public_map(
    town_settings: Settings, town_run: Run
) -> None:
    facts = read_facts(town_settings, town_run)
    publish: PublishSettings = town_settings.publish
    release = decide_release(facts.samples.areas, publish)
    hidden = sorted(release.shown)[:3]
    areas = facts.samples.areas
    without = areas.assign(is_used=areas["is_used"] & ~areas["area_id"].isin(hidden))
    narrowed = narrow_facts(facts, decide_release(without, publish))
    shown = narrowed.samples.areas
    assert shown.loc[areas["area_id"].isin(hidden), "tenth_crime"].isna().all()
    told = resident_map.gather(narrowed)
    assert told is not None
    assert '"tenth":[' in str(told["layers"]).replace(" ", "")


@pytest.mark.parametrize("column", ["tenth_crime", "crime"])
def test_chips_know_the_tenth_of_used_areas(town_run: Run, column: str) -> None:
    areas = pd.read_parquet(town_run.chips / "areas.parquet")
    assert areas.loc[areas["is_used"], column].notna().any()
