"""One town from its name to a report, out of services that answer as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pandas as pd
import pytest

from basrelief.sources.fetch.client import MIRRORS


@pytest.mark.slow
def test_a_town_is_fetched_by_its_name_checked_and_reported(
    testham: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(MIRRORS, testham)
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
