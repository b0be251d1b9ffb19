"""Photos, embeddings and tables in a folder that a run could learn from besides heights.

None is taken unasked: each changes what a run answers, and makes it longer. What is proposed here
stands behind a # and works once the marks are taken away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyproj import CRS

from basrelief.config import InputError
from basrelief.eyes import (
    COLOURS,
    EmbeddingSettings,
    OverlaySettings,
    PhotoSettings,
    find_name_fault,
)
from basrelief.sources.areas import find_area_vintage, list_names
from basrelief.sources.coordinates import overlap
from basrelief.sources.eye_tables import ENOUGH
from basrelief.sources.labels import find_label_vintage, find_numbers
from basrelief.sources.lidar import Mosaic
from basrelief.sources.lying import LabelTable, Lying
from basrelief.sources.overlays import read_overlay_header
from basrelief.sources.pairs import Pair
from basrelief.sources.targets import TARGETS, find_score
from basrelief.sources.tiles import find_raster_files

MOST_PHOTO_BANDS = 20
"""No camera of satellites that are used here has more (Sentinel-2 has 13); embeddings have 64."""

CARRIED = (2011, 2021)
"""Censuses that the lookup of the ONS leads between."""

MIN_SHARED = 0.5
"""Share of the place's areas that a table has to know: less, and it is of another place."""

MOST_COLUMNS = 8
"""How many columns a proposal names: a census has hundreds, of which somebody has to choose."""


@dataclass(frozen=True)
class Proposal:
    """A table of the configuration that could stand there."""

    header: str
    """As in ``data.photo``."""

    why: str
    keys: dict[str, Any]


def propose_overlays(lying: Lying, surface: Mosaic, crs: str | None) -> list[Proposal]:
    """Propose photos and embeddings that lie where the surface does, of each those of most files.

    Parameters
    ----------
    crs
        Of rasters that carry none, as the configuration will have it.
    """
    groups: dict[tuple[Path, tuple[str, ...], str], list[str]] = {}
    for name, (bands, kind) in lying.overlays.items():
        groups.setdefault((Path(name).parent, bands, kind), []).append(name)
    found: dict[str, Proposal] = {}
    for (_, bands, kind), names in sorted(groups.items(), key=lambda each: -len(each[1])):
        pattern = lying.find_pattern(names)
        if pattern is None:
            continue
        is_photo = len(bands) <= MOST_PHOTO_BANDS and kind != "int8"
        made = (_ask_photo if is_photo else _ask_embedding)(pattern, bands, kind)
        doubt = _find_doubt(lying, made.settings, surface, crs)
        if doubt is None:
            continue
        what = f"{len(names)} file{'s' * (len(names) > 1)} of {made.what}.{made.remark}{doubt}"
        found.setdefault(made.header, Proposal(made.header, what, made.keys))
    return list(found.values())


@dataclass(frozen=True)
class _Asked:
    """What would be asked of files, as a configuration has it."""

    header: str
    what: str
    remark: str
    keys: dict[str, Any]
    settings: OverlaySettings


def _ask_photo(pattern: str, bands: tuple[str, ...], kind: str) -> _Asked:
    is_told = all(colour in bands for colour in COLOURS)
    wanted = list(COLOURS) if is_told or not all(bands) else list(bands[:3])
    keys: dict[str, Any] = {"files": pattern, "bands": wanted}
    if "scl" in bands:
        keys["mask"] = "SCL"
    order = "" if is_told else " Nothing says which of its bands are red, green and blue."
    return _Asked("data.photo", "a photo from above", order, keys, PhotoSettings(**keys))


def _ask_embedding(pattern: str, bands: tuple[str, ...], kind: str) -> _Asked:
    keys: dict[str, Any] = {"files": pattern}
    if kind == "int8":
        keys["coding"] = "alphaearth"
    what = f"{len(bands)} numbers a cell, as precomputed embeddings have"
    return _Asked("data.embedding", what, "", keys, EmbeddingSettings(**keys))


def _find_doubt(
    lying: Lying, asked: OverlaySettings, surface: Mosaic, crs: str | None
) -> str | None:
    """Say what keeps files from being read as asked, if anything; None where they lie aside."""
    typed = lying.typed("files", asked.files)
    try:
        files = [
            read_overlay_header(raster, asked, CRS(surface.crs), crs)
            for raster in find_raster_files(typed)
        ]
    # As of a scale that nobody wrote into the file: the user may know it.
    except InputError as error:
        return f" As it is, it cannot be read: {error}"
    is_here = any(overlap(file.bounds, surface.grid.bounds) for file in files)
    return "" if is_here else None


def propose_tables(lying: Lying, pair: Pair) -> list[Proposal]:
    """Propose tables by area code that are neither the labels nor such an index once more."""
    proposals: list[Proposal] = []
    for table, n_known in pair.tables:
        # A lookup has codes too, and what stands beside them is no number.
        if table.name in lying.lookups or n_known < MIN_SHARED * len(pair.codes):
            continue
        found = _propose_table(lying, pair, table)
        if found is None:
            continue
        names = [each.header.rpartition(".")[2] for each in (*proposals, found)]
        # Two files of one name: the first is enough to show how it is written.
        if find_name_fault(names) is None:
            proposals.append(found)
    return proposals


def _propose_table(lying: Lying, pair: Pair, table: LabelTable) -> Proposal | None:
    keys: dict[str, Any] = {"file": table.name}
    if any(find_score(table.headings, target) for target in TARGETS):
        year, labelled = table.year, pair.labels.year
        # The same release once more would predict itself, and one of later tells what is asked.
        if year is None or labelled is None or year >= labelled:
            return None
        why = f"An index of {year}, before that of {labelled}: what LIDAR adds to the last release."
        keys["role"] = "last_release"
        name = f"release_{year}"
    else:
        numbers = _list_numbers(lying, table)
        if not numbers:
            return None
        n_most = max(1, min(MOST_COLUMNS, len(pair.codes) // ENOUGH))
        keys["columns"] = numbers[:n_most]
        why = (
            f"What else is known of these areas. Choose columns: shares, rates and averages, not "
            f"counts. Numbers stand under {list_names(numbers, 30)}."
        )
        name = _name_table(table.name)
    if _needs_code(lying, pair, table):
        keys["by_code"] = True
        why += " It is of another census: areas that kept their code are taken."
    return Proposal(f"data.tables.{name}", why, keys)


def _list_numbers(lying: Lying, table: LabelTable) -> list[str]:
    try:
        return find_numbers(lying.typed("file", table.name))
    except InputError:
        return []


def _name_table(name: str) -> str:
    """Make a key of a table from its file's name.

    >>> _name_table("tables/Census 2011 (people).csv")
    'census_2011_people'
    """
    plain = re.sub(r"[^a-z0-9]+", "_", Path(name).stem.lower()).strip("_")[:40].strip("_")
    return plain if plain[:1].isalnum() else "table"


def _needs_code(lying: Lying, pair: Pair, table: LabelTable) -> bool:
    """Whether a table is of a census that no lookup here leads from."""
    try:
        told = find_label_vintage(lying.typed("file", table.name), None)
        drawn = find_area_vintage(lying.typed("areas", pair.areas), None)
    except InputError:
        return False
    if told is None or drawn is None or told[0] == drawn[0]:
        return False
    return not lying.lookups or not {told[0], drawn[0]} <= set(CARRIED)
