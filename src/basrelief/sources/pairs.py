"""Boundaries and labels of the same areas, chosen from many by what they have in common."""

from __future__ import annotations

from dataclasses import dataclass

from basrelief.config import InputError
from basrelief.run import no_notes
from basrelief.sources.areas import list_names, read_areas
from basrelief.sources.labels import read_labels
from basrelief.sources.lidar import Mosaic
from basrelief.sources.lying import LabelTable, Lying

NEARLY = 0.9
"""Share of the most areas that any boundaries and labels have in common, from which others are as
good a choice by their number."""


@dataclass(frozen=True)
class Pair:
    """Boundaries and labels of the same areas."""

    areas: str
    labels: LabelTable
    n_labelled: int
    codes: frozenset[str]
    """Of the areas in the rasters."""

    other_areas: tuple[str, ...]
    other_labels: tuple[str, ...]
    tables: tuple[tuple[LabelTable, int], ...]
    """The tables beside the labels, and how many of the areas each knows."""

    def describe_areas(self) -> str:
        """Say why these boundaries."""
        others = f" Not taken: {list_names(self.other_areas, 3)}." if self.other_areas else ""
        n_areas = len(self.codes)
        here = f"{n_areas} areas lie" if n_areas > 1 else "One area lies"
        return f"{here} in the rasters.{others}"

    def describe_labels(self) -> str:
        """Say why these labels."""
        names = list_names(self.other_labels, 3)
        others = f" As many have one in {names}." if names else ""
        verb = "has" if self.n_labelled == 1 else "have"
        return f"{self.n_labelled} of these areas {verb} a row.{others}"


def choose_pair(lying: Lying, mosaic: Mosaic) -> Pair | None:
    """Choose the boundaries and labels that have most areas of a place in common; None if none."""
    # Only what lies in the rasters counts: a country's files of two censuses share most codes.
    codes = {name: _read_area_codes(lying, name, mosaic) for name in lying.boundaries}
    found = []
    for table in lying.labels:
        rows = _read_label_codes(lying, table)
        found += [(len(own & rows), name, table) for name, own in codes.items()]
    most = max((n for n, _, _ in found), default=0)

    def rank(each: tuple[int, str, LabelTable]) -> tuple[bool, float, int, int]:
        n, name, table = each
        # Two censuses have nearly as many areas; whose codes all have a row, go together.
        share = n / max(len(codes[name]), 1)
        # Of two releases of an index the newer is asked about, and the older may be learnt from.
        return n >= NEARLY * most, share, len(table.known), table.year or 0

    # Those that know most targets come first, and stay first among equals.
    best = max(found, key=rank, default=None)
    # Tables of other areas are no labels, however many targets they know.
    if best is None or not best[0]:
        return None
    n_labelled, name, table = best
    equal = [t.name for n, other, t in found if (n, other) == (n_labelled, name) and t != table]
    others = tuple(other for other in lying.boundaries if other != name)
    beside = tuple((t, n) for n, other, t in found if other == name and t != table)
    return Pair(name, table, n_labelled, frozenset(codes[name]), others, tuple(equal), beside)


def _read_area_codes(lying: Lying, name: str, mosaic: Mosaic) -> set[str]:
    try:
        areas = read_areas(
            lying.typed("areas", name),
            column=None,
            crs=mosaic.crs,
            bounds=mosaic.grid.bounds,
            notes=no_notes(),
        )
    # What cannot be read is no candidate; `basrelief check` says why, once it is typed.
    except InputError:
        return set()
    return set(areas["area_id"])


def _read_label_codes(lying: Lying, table: LabelTable) -> set[str]:
    typed = lying.typed("labels", table.name)
    try:
        return set(read_labels(typed, targets=[], column=None, notes=no_notes()).index)
    except InputError:
        return set()
