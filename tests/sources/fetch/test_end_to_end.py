"""One town from its name to a report, out of services that answer as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("basrelief.sources.fetch.england", reason="the services' own parts are absent")

from basrelief.sources.fetch.indices import list_editions

SERVICES = Path(__file__).parent / "services"
OF_LABELS = ("assets.publishing.service.gov.uk", "www.gov.uk")


def publish_labels(site: Path) -> None:
    """The index for as many areas as there are, those of the town among them."""
    edition = next(each for each in list_editions() if (each.name, each.year) == ("IoD", 2025))
    rng = np.random.default_rng(0)
    codes = [f"E010{k:05d}" for k in range(edition.n_areas)]
    table = pd.DataFrame({"LSOA code (2021)": codes})
    table["Local Authority District code (2024)"] = "E09000001"
    table["Index of Multiple Deprivation (IMD) Score"] = rng.uniform(1, 80, len(codes)).round(3)
    table["Crime Score"] = rng.normal(size=len(codes)).round(3)
    table["Total population: mid 2022 (excluding prisoners)"] = 1500
    path = site / urlsplit(edition.url).path.lstrip("/")
    path.parent.mkdir(parents=True)
    table.to_csv(path, index=False)


@pytest.mark.slow
def test_a_town_is_fetched_by_its_name_checked_and_reported(
    start: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "also" not in (SERVICES / "lidar.py").read_text():
        pytest.skip("the service of LIDAR has no ground where the town is")
    publish_labels(tmp_path / "site")
    labels, geography = start("folder", str(tmp_path / "site")), start("geography")
    lidar = start("lidar", "also=TQ08SW")
    mirrors = dict.fromkeys(OF_LABELS, labels)
    mirrors["services1.arcgis.com"] = f"{geography}/plain"
    mirrors["environment.data.gov.uk"] = f"{lidar}/environment"
    monkeypatch.setenv("BASRELIEF_MIRRORS", " ".join(f"{k}={v}" for k, v in mirrors.items()))
    out, cache = tmp_path / "out", str(tmp_path / "cache")
    assert run_command("fetch", "--place", "Testham", "--out", str(out), "--cache", cache) == 0
    credits = json.loads((out / "credits.json").read_text())
    # Boundaries, lookup and labels; and surface and terrain of each square kilometre.
    assert len(credits) == 3 + 2 * 16
    assert all(len(each["sha256"]) == 64 for each in credits)
    config = str(out / "basrelief.toml")
    only = ["--set", 'models.recipes=["relief-statistics"]']
    only += ["--set", "chips.resolution_m=4", "--set", "chips.size_px=96"]
    assert run_command("check", config, *only) == 0
    assert "64 areas touched, about 64 with" in capsys.readouterr().out
    # Labels of pure noise: a report needs no more.
    only += ["--set", "split.repeats=1", "--set", "split.folds=3", "--set", "evaluate.worlds=0"]
    assert run_command("run", config, "-q", *only) == 0
    run = out / "runs" / "basrelief"
    areas = pd.read_parquet(run / "chips" / "areas.parquet")
    assert 'lookup = "lookups/lsoa11-lsoa21.csv"' in (out / "basrelief.toml").read_text()
    assert len(areas) == 64
    assert areas["is_used"].all()
    # Of which year the scores are stands in the table's heading, when the ground was flown in the
    # names of what the service hands out.
    assert set(areas["label_year"]) == {2022}
    assert areas["flown_to"].notna().all()
    page, public = ((run / name).read_text() for name in ("report.html", "public/report.html"))
    for credit in credits:
        # Of data that tell no year of their own: the one in which they were used.
        owed = credit["credit"]["statement"].replace("[year]", str(datetime.now(UTC).year))
        assert escape(owed) in page
        assert escape(owed) in public
    assert "The scores are of 2022" in page
