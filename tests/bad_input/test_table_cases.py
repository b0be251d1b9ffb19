"""The handed cases of tables and names: each comes out as its README says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from basrelief.run import read_json

CASES = Path(__file__).parents[3] / "shared" / "cases" / "geo"

pytestmark = [
    pytest.mark.cases,
    pytest.mark.skipif(not CASES.is_dir(), reason=f"no handed cases at {CASES}"),
]

ONE_MORE = "(E01000007, E01000008, E01000009, E01000010, E01000011 and 1 more)"

REFUSED = {
    "14_file9_transformed_scores": ("'Crime Score - exponentially transformed'", "made of"),
    "15b_leading_zero_lost": ("'60371011101' and '060371011101'", "leading 0"),
    "25e_wimd2019_ods": (".ods is not known", "CSV", "XLSX"),
    "30_windows_path": ("single quotes", "line 3"),
    "41_workbook_with_two_releases": ("'IMD 2015'", "'IMD 2019'", "'Crime Score'"),
    "56_formulas_never_calculated": ("formulas", "save it once"),
    "62_real_police_uk_city": ("no complete year", "it lacks 2023-07, 2023-08, 2023-09, 2023-10"),
}

READ: dict[str, tuple[tuple[str, ...], dict[str, tuple[int, float]]]] = {
    "12_decimal_comma": (("a comma is read as a decimal one",), {"crime": (12, 0.165)}),
    "12b_semicolon_decimal_comma": (("a comma is read as",), {"crime": (12, 0.165)}),
    "13_utf16": ((), {"crime": (12, 0.165)}),
    "15_integer_codes_with_a_null": ((), {"crime": (12, 0.165)}),
    "16_police_uk_months": (("24 of 1155 crimes have no LSOA",), {"burglary": (12, 21.8054)}),
    "17_half_a_year_in_one_file": (
        (f"no counts of 2019-07 to 2019-12 for 6 of the 12 areas here {ONE_MORE}",),
        {"theft": (6, 23.6095)},
    ),
    "18_long_table_of_counts": ((), {"burglary": (12, 14.9315)}),
    "20_codes_of_another_census_without_a_year": (
        ("4 of the 12 areas here (E01033701, E01033702, ", "another census"),
        {"crime": (8, 0.3388)},
    ),
    "24_title_rows_above_headings_in_csv": ((), {"crime": (12, 0.165)}),
    "25_simd2020_ranks_xlsx": ((), {"SIMD2020_Crime_Domain_Rank": (12, 5354.125)}),
    "25b_simd2020_indicators_csv": (
        ("'*' in 501 rows", "3 of the 12 areas here (S01006511, S01006513, S01006515)"),
        {"crime_rate": (9, 116.1111), "Income_rate": (12, 4.5)},
    ),
    "25c_wimd2019_csv": ((), {"WIMD 2019": (12, 21.8583), "Community Safety": (12, 21.2)}),
    "25d_wimd2019_label_column": ((), {"WIMD 2019": (12, 21.8583), "Income": (12, 24.4333)}),
    "29_slash_in_a_heading": ((), {"Burglary/1,000 homes": (12, 2.165)}),
    "32_lower_case_codes": ((), {"crime": (12, 0.165)}),
    "47_percent_signs": (("percent are read as shares: 1% is 0.01",), {"crime": (12, 0.0092)}),
    "48_district_codes_of_two_years": (
        ("column 'LAD23CD' (1 here: E06000060)", "(4: E07000004, "),
        {"crime": (12, 0.165)},
    ),
    "49_csv_with_mac_line_ends": ((), {"crime": (12, 0.165)}),
    "50b_target_known_in_one_block": (
        ("'income' is not known in 8 of the 12 areas",),
        {"crime": (12, 0.165), "income": (4, 0.1025)},
    ),
    "51_markup_in_a_heading": ((), {"Crime & <b>disorder</b> | 'rate' %": (12, 2.165)}),
    "59_overlapping_downloads": (("each counted once",), {"theft": (12, 23.1625)}),
    "61b_real_wimd2019_on_lsoa11_boundaries": ((), {"WIMD 2019": (48, 28.7667)}),
    "63_real_mps_monthly": (
        ("no counts for 8 of the 12 areas here (E01099000, ",),
        {"burglary": (4, 5.9494)},
    ),
    "65_iod2015_file7_headings": (
        (),
        {"imd": (12, 21.65), "idaopi": (12, 0.3082), "living_environment": (12, 30.165)},
    ),
    "66_real_iod2025_file7_head": (
        ("8 of the 12 areas here (E01099000, ",),
        {"imd": (4, 35.6008), "crime": (4, 0.6958), "income": (4, 0.4355)},
    ),
}

VALUES = {
    "25_simd2020_ranks_xlsx": ("SIMD2020_Crime_Domain_Rank", {"S01006506": 4664.0}),
    "25b_simd2020_indicators_csv": ("crime_rate", {"S01006506": 125.0}),
    "25d_wimd2019_label_column": ("WIMD 2019", {"W01000240": 86.6}),
    "66_real_iod2025_file7_head": ("crime", {"E01000007": 1.161}),
}


def copy_case(name: str, folder: Path) -> Path:
    """Copy a case, which may not be written to, and give its configuration."""
    # By content alone: what is handed out is read only, and so would the copy be.
    shutil.copytree(CASES / name, folder / name, copy_function=shutil.copyfile)
    for path in [folder / name, *(folder / name).rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder / name / "config.toml"


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_that_is_refused(
    tmp_path: Path, expect_line: Callable[..., None], name: str
) -> None:
    expect_line(copy_case(name, tmp_path), *REFUSED[name], command="chips")


@pytest.mark.parametrize("name", READ)
def test_a_case_that_is_read(tmp_path: Path, run_command: Callable[..., int], name: str) -> None:
    says, expected = READ[name]
    config = copy_case(name, tmp_path)
    assert run_command("chips", str(config)) == 0
    chips = config.parent / "run" / "chips"
    notes = read_json(chips / "notes.json")
    assert [part for part in says if not any(part in note for note in notes)] == [], notes
    # Of what is odd about tables: areas beside the rasters are named in every case.
    assert [note for note in notes if "of their ground (chips.min_area" not in note] == [] or says
    areas = pd.read_parquet(chips / "areas.parquet").set_index("area_id")
    for column, (count, mean) in expected.items():
        assert areas[column].count() == count
        assert areas[column].mean() == pytest.approx(mean, abs=1e-4)
    if name in VALUES:
        column, values = VALUES[name]
        assert areas[column].reindex(list(values)).tolist() == list(values.values())


def test_single_crimes_agree_with_the_counts_that_came_with_them(
    tmp_path: Path, run_command: Callable[..., int]
) -> None:
    config = copy_case("16_police_uk_months", tmp_path)
    assert run_command("chips", str(config)) == 0
    areas = pd.read_parquet(config.parent / "run" / "chips" / "areas.parquet")
    expected = pd.read_csv(config.parent / "expected.csv").set_index(_first(config))
    rates = expected.select_dtypes("number").iloc[:, -1].reindex(areas["area_id"])
    np.testing.assert_allclose(areas["burglary"], rates, rtol=1e-3)


def _first(config: Path) -> Any:
    return pd.read_csv(config.parent / "expected.csv", nrows=1).columns[0]
