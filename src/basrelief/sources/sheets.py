"""Tables whose headings are known, whatever kind of file they are in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from basrelief.config import InputError
from basrelief.names import tidy_text

SheetRow = Sequence[Any]

MAX_ROWS_ABOVE = 20
"""How far down a table its row of headings may stand."""

N_SAMPLE = 50
"""Rows that are looked at to tell what a column holds."""

CURE = "Save it as CSV (UTF-8) or XLSX."


@dataclass(frozen=True)
class Sheet:
    """A table whose headings are known and whose rows are still to be read."""

    columns: list[str]
    """Headings, in one line each; empty ones are empty text."""

    walk: Callable[[], Iterator[SheetRow]]
    """Gives the rows below the headings, anew each time."""

    where: str
    """The setting and file, and of a workbook the sheet, as messages name them."""

    separator: str = ","
    """What stands between columns; of a workbook a comma."""

    has_uncalculated: bool = False
    """Whether cells of a workbook hold formulas that no spreadsheet has calculated."""

    title: str = ""
    """Of a sheet in a workbook."""

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Read columns as they stand, None where blank; of namesakes the first."""
        positions = [self.columns.index(column) for column in columns]
        cells = [[row[at] if at < len(row) else None for at in positions] for row in self.walk()]
        return pd.DataFrame(cells, columns=list(columns), dtype=object)

    def sample(self) -> pd.DataFrame:
        """Read the first rows, each column under its place and not its heading."""
        rows = itertools.islice(self.walk(), N_SAMPLE)
        width = len(self.columns)
        cells = [[*row[:width], *[None] * (width - len(row))] for row in rows]
        return pd.DataFrame(cells, columns=range(width), dtype=object)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Stop where a column stands twice with different values, or was never calculated.

        Raises
        ------
        InputError
            Names the column.
        """
        for column in columns:
            # A column that stands twice alike is no question; values that differ are.
            positions = [at for at, heading in enumerate(self.columns) if heading == column]
            if len(positions) > 1 and any(_differ(row, positions) for row in self.walk()):
                raise InputError(
                    f"{self.where}: {len(positions)} columns are called {column!r}, and they "
                    "differ. Rename or remove those that are not meant."
                )
        # Such cells read as blank, which means that nothing is known.
        if self.has_uncalculated and any(self.read(columns).isna().any()):
            raise InputError(
                f"{self.where}: cells hold formulas that were never calculated. Open the workbook "
                "in a spreadsheet and save it once, or save it as CSV."
            )


def find_headings(rows: Sequence[SheetRow], is_headings: Callable[[list[str]], bool]) -> int:
    """Find the row of headings: the first that is one, else the one above the first codes.

    Parameters
    ----------
    rows
        The first rows of a table, blank ones left out.
    """
    for at, row in enumerate(rows[:MAX_ROWS_ABOVE]):
        # The first, since some tables repeat their headings below.
        if is_headings(tidy_headings(row)):
            return at
    # Titles stand in one cell; headings and what is below them in several.
    wide = [at for at, row in enumerate(rows[:MAX_ROWS_ABOVE]) if _count_cells(row) > 1]
    return wide[0] if wide else 0


def tidy_headings(row: SheetRow) -> list[str]:
    """Write each heading in one line; what trails behind the last is no heading."""
    columns = ["" if cell is None else tidy_text(str(cell)) for cell in row]
    while columns and not columns[-1]:
        columns.pop()
    return columns


def _count_cells(row: SheetRow) -> int:
    return sum(cell is not None and str(cell).strip() != "" for cell in row)


def _differ(row: SheetRow, positions: Sequence[int]) -> bool:
    return len({str(row[at]) if at < len(row) else "None" for at in positions}) > 1
