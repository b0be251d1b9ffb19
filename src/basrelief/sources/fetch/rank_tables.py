"""Tables of ranks of Wales and Scotland, as their offices lay them out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from basrelief.config import InputError
from basrelief.sources.fetch.client import ServiceError
from basrelief.sources.fetch.ods import read_sheet
from basrelief.sources.tables import read_bytes
from basrelief.sources.workbooks import open_workbook


def read_wales(path: Path) -> pd.DataFrame:
    """Read ranks of the Welsh index: ``code, name, lad_name`` and a column a domain."""
    names = {
        "lsoa code": "code",
        "lsoa name": "name",
        "local authority name": "lad_name",
        "wimd 2019": "imd",
        "wimd 2025": "imd",
        "income": "income",
        "employment": "employment",
        "health": "health",
        "education": "education",
        "access to services": "access",
        "housing": "housing",
        "community safety": "crime",
        "physical environment": "physical_environment",
    }
    # Rows end with their last cell that holds anything; a table wants all of one length.
    headings, *rows = read_sheet(path, "LSOA code")
    cells = [[*row, *[""] * (len(headings) - len(row))][: len(headings)] for row in rows]
    return _tidy(pd.DataFrame(cells, columns=headings), names, r"W01\d{6}", path.name)


def read_scotland(path: Path) -> pd.DataFrame:
    """Read ranks of the Scottish index: ``code, lad_name, population`` and a column a domain."""
    names = {
        "data_zone": "code",
        "council_area": "lad_name",
        "total_population": "population",
        "simd2020v2_rank": "imd",
        "simd2020v2_income_domain_rank": "income",
        "simd2020_employment_domain_rank": "employment",
        "simd2020_health_domain_rank": "health",
        "simd2020_education_domain_rank": "education",
        "simd2020_access_domain_rank": "access",
        "simd2020_crime_domain_rank": "crime",
        "simd2020_housing_domain_rank": "housing",
    }
    try:
        sheets = open_workbook(read_bytes(path, path.name), path.name, _has_zones)
    except InputError as error:
        # What came from a service is no fault of the user's files.
        raise ServiceError(str(error)) from error
    found = next((sheet for sheet in sheets if _has_zones(sheet.columns)), None)
    if found is None:
        raise ServiceError(f"{path.name}: no sheet has columns Data_Zone and Council_area")
    table = found.read([heading for heading in dict.fromkeys(found.columns) if heading])
    return _tidy(table, names, r"S01\d{6}", path.name)


def _has_zones(columns: list[str]) -> bool:
    # A sheet of notes explains the columns, one a row: none of its rows has two of them.
    return {"Data_Zone", "Council_area"} <= set(columns)


def _tidy(table: pd.DataFrame, names: dict[str, str], code: str, where: str) -> pd.DataFrame:
    """Take the columns that are known, and the rows with a code; ranks become numbers."""
    # Backwards, so that of two columns with one heading the first is taken.
    by_name = {str(c).strip().lower(): c for c in reversed(list(table.columns))}
    known = {by_name[name]: short for name, short in names.items() if name in by_name}
    missing = sorted(set(names.values()) - set(known.values()))
    if missing:
        raise ServiceError(f"{where}: has no column of {', '.join(missing)}. It was changed there.")
    found = table[list(known)].rename(columns=known)
    # Below the areas stand notes, and sums of the country.
    found = found[found["code"].astype(str).str.strip().str.fullmatch(code)]
    for column in set(found.columns) - {"code", "name", "lad_name"}:
        try:
            found[column] = pd.to_numeric(found[column])
        except (ValueError, TypeError) as error:
            raise ServiceError(f"{where}: {column} has what is no number ({error})") from error
    if found["code"].duplicated().any():
        raise ServiceError(f"{where}: gives an area twice")
    return found.reset_index(drop=True)
