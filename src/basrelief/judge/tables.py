"""The tables of the evaluate stage, appended to recipe by recipe so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from basrelief.names import guard_table
from basrelief.run import Run, replacing

INTERVALS = ("lower_50", "upper_50", "lower_80", "upper_80", "lower_95", "upper_95")
"""Bounds of the prediction intervals, in units of the target."""

TEXT, WHOLE, NUMBER, TRUTH = pa.string(), pa.int32(), pa.float64(), pa.bool_()

PREDICTIONS = pa.schema(
    [
        *((name, TEXT) for name in ("recipe", "target", "scheme")),
        *((name, WHOLE) for name in ("repeat", "fold")),
        *((name, TEXT) for name in ("unit", "id")),
        *((name, NUMBER) for name in ("y_true", "y_pred", "y_mean", *INTERVALS)),
        ("is_inside", TRUTH),
    ]
)
RESIDUALS = pa.schema(
    [
        *((name, TEXT) for name in ("recipe", "target", "scheme", "area_id")),
        *((name, NUMBER) for name in ("y_true", "y_pred", "residual", *INTERVALS)),
        *((name, WHOLE) for name in ("decile_true", "decile_pred")),
        ("is_inside", TRUTH),
    ]
)
APPLICABILITY = pa.schema(
    [
        *((name, TEXT) for name in ("recipe", "target", "scheme")),
        ("repeat", WHOLE),
        ("area_id", TEXT),
        *((name, NUMBER) for name in ("di", "threshold")),
        ("is_inside", TRUTH),
    ]
)

REFITS = pa.schema(
    [
        *((name, TEXT) for name in ("recipe", "scheme", "unit", "kind")),
        ("world", WHOLE),
        ("target", TEXT),
        ("skill", NUMBER),
    ]
)

PARTS = pa.schema(
    [
        *((name, TEXT) for name in ("recipe", "target", "scheme", "area_id", "part")),
        ("added", NUMBER),
    ]
)

ROWS_AT_ONCE = 2**18
"""Rows that are turned into text and written at once: bounds the memory."""


@dataclass(frozen=True)
class Table:
    """A Parquet file that grows by frames of one schema."""

    writer: pq.ParquetWriter

    def append(self, frame: pd.DataFrame) -> None:
        """Add rows; the frame's columns may stand in any order."""
        # Slices, since names are categories in memory and text in the file.
        for at in range(0, len(frame), ROWS_AT_ONCE):
            rows = frame.iloc[at : at + ROWS_AT_ONCE]
            self.writer.write_table(
                pa.Table.from_pandas(rows, schema=self.writer.schema, preserve_index=False)
            )


@dataclass(frozen=True)
class RankedList:
    """A CSV file that grows by frames with the same columns."""

    file: IO[str]

    def append(self, frame: pd.DataFrame) -> None:
        """Add rows, under one head."""
        # Appended, since the lists of a whole country are too many to hold.
        guard_table(frame).to_csv(self.file, index=False, header=self.file.tell() == 0)


@dataclass(frozen=True)
class EvaluationTables:
    """The open tables of one evaluation."""

    predictions: Table
    residuals: Table
    applicability: Table
    refits: Table
    parts: Table
    ranked: RankedList


@contextmanager
def open_parquet(path: Path, schema: pa.Schema) -> Iterator[Table]:
    """Open a Parquet file to append to; it gets its name when it is whole."""
    with replacing(path) as part, pq.ParquetWriter(part, schema) as writer:
        yield Table(writer)


@contextmanager
def open_tables(run: Run) -> Iterator[EvaluationTables]:
    """Open all tables; they get their names when all of them are whole."""
    folder = run.folder / "evaluate"
    # One stack: if any recipe fails, no table of another evaluation is replaced.
    with ExitStack() as stack:
        listed = stack.enter_context(replacing(folder / "targeting.csv"))
        enter = stack.enter_context
        yield EvaluationTables(
            predictions=enter(open_parquet(run.predictions, PREDICTIONS)),
            residuals=enter(open_parquet(folder / "residuals.parquet", RESIDUALS)),
            applicability=enter(open_parquet(folder / "applicability.parquet", APPLICABILITY)),
            refits=enter(open_parquet(folder / "refits.parquet", REFITS)),
            parts=enter(open_parquet(folder / "parts.parquet", PARTS)),
            ranked=RankedList(stack.enter_context(listed.open("w", encoding="utf-8", newline=""))),
        )
