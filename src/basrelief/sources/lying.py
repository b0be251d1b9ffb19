"""What lies in a folder: rasters, boundaries, tables and pictures, each told by what it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from basrelief.config import InputError
from basrelief.sources.archives import list_members
from basrelief.sources.areas import choose_code_column
from basrelief.sources.boundaries import find_boundary_layer
from basrelief.sources.census import find_column
from basrelief.sources.changes import is_lookup
from basrelief.sources.crime_files import open_file
from basrelief.sources.inputs import PICTURE_SUFFIXES, expand_pattern, is_run_folder
from basrelief.sources.labels import read_label_headings
from basrelief.sources.photo_headers import read_bands
from basrelief.sources.pictures import has_pictures
from basrelief.sources.products import Product, tell_picture, tell_product
from basrelief.sources.tables import open_first_sheet
from basrelief.sources.targets import TARGETS, find_domains, find_target
from basrelief.sources.tiles import RASTER_SUFFIXES
from basrelief.typed import Typed

BOUNDARY_SUFFIXES = (".shp", ".gpkg", ".geojson", ".fgb", ".kml", ".tab", ".gdb", ".json", ".zip")
TABLE_SUFFIXES = (".csv", ".xlsx")
"""Of those that are read as tables: what else ends so, as .txt and .tab, is mostly none."""

YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")

WEIGHT_SUFFIXES = (".h5", ".safetensors", ".pth")
SURE_PICTURES = tuple(each for each in PICTURE_SUFFIXES if each not in RASTER_SUFFIXES)
"""What is a picture by its ending alone: a TIFF may hold heights."""


@dataclass(frozen=True)
class LabelTable:
    """A table with a column of area codes."""

    name: str
    known: tuple[str, ...]
    """Short names of the targets that it has."""

    domains: tuple[str, ...]
    """Those of them that are the IMD and its domains."""

    headings: tuple[str, ...]

    @property
    def year(self) -> int | None:
        """Of which year it is by its name; None where that says none or several."""
        years = set(YEAR.findall(Path(self.name).name))
        return int(years.pop()) if len(years) == 1 else None

    @property
    def has_population(self) -> bool:
        """Whether rates per 1,000 people can be made with it."""
        return find_column(self.headings, "population") is not None


@dataclass(frozen=True)
class Lying:
    """A folder, and what is in it. Names are relative to the folder, with ``/``."""

    folder: Path

    def typed(self, key: str, name: str) -> Typed:
        """Give a name as the configuration in this folder would have it."""
        return Typed(key, name, self.folder / name)

    @cached_property
    def names(self) -> list[str]:
        """Every file, but for hidden ones and those of runs and layers; sorted."""
        found, seen = [], set()
        for parent, folders, files in os.walk(self.folder, followlinks=True):
            # A link may lead back to a folder above it.
            own = os.path.realpath(parent)
            if own in seen or is_run_folder(Path(parent)):
                folders.clear()
                continue
            seen.add(own)
            inside = [each for each in folders if each.lower().endswith(".gdb")]
            folders[:] = sorted(
                each
                for each in folders
                if not each.startswith(".") and not each.endswith(".zarr") and each not in inside
            )
            found += [Path(parent, n) for n in (*files, *inside) if not n.startswith(".")]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    @cached_property
    def rasters(self) -> dict[Product | None, list[str]]:
        """Rasters by product, as their names tell it; None where they do not."""
        found: dict[Product | None, list[str]] = {}
        for name in self.names:
            members = self._list_rasters(name)
            # A hillshade is a raster with every header of heights; only its name says so.
            if not members or any(tell_picture(each) for each in members):
                continue
            told = {tell_product(each) for each in members}
            # Of a name that says nothing only the file tells; there are few such files.
            if told == {None} and name in self.overlays:
                continue
            found.setdefault(told.pop() if len(told) == 1 else None, []).append(name)
        return found

    @cached_property
    def overlays(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """Rasters of three bands or more, and what these are: photos and embeddings, no heights."""
        found = {}
        for name in self._ending((".tif", ".tiff")):
            bands = None if tell_product(name) else read_bands(self.folder / name)
            if bands is not None:
                found[name] = bands
        return found

    def _list_rasters(self, name: str) -> list[str]:
        """List the rasters in a file: itself, or those in a zip archive."""
        if not name.lower().endswith(".zip"):
            return [name] if _is_raster(name) else []
        return [f"{name}/{member}" for member in self._members(name) if _is_raster(member)]

    def _members(self, name: str) -> list[str]:
        try:
            return list_members(self.folder / name, name)
        except InputError:
            return []

    @cached_property
    def boundaries(self) -> list[str]:
        """Files of polygons with a column of area codes."""
        found = []
        for name in self._ending(BOUNDARY_SUFFIXES):
            if name.lower().endswith(".zip") and name in self._raster_names:
                continue
            typed = self.typed("areas", name)
            try:
                headings = find_boundary_layer(typed, None).headings
                # By heading alone: values would have to be read of every file that lies there.
                choose_code_column(typed, headings, None)
            except InputError:
                continue
            found.append(name)
        return found

    @cached_property
    def crime(self) -> list[str]:
        """Tables of recorded crime."""
        return [name for name in self._ending((".csv",)) if self._is_crime(name)]

    def _is_crime(self, name: str) -> bool:
        try:
            open_file(self.folder / name, name, frozenset())
        except InputError:
            return False
        return True

    @cached_property
    def labels(self) -> list[LabelTable]:
        """Tables by area code that are not of crime, those that know most targets first."""
        found = []
        for name in self._ending(TABLE_SUFFIXES):
            if name in self.crime:
                continue
            try:
                headings = read_label_headings(self.typed("labels", name), None)
            except InputError:
                continue
            # What has no known target may still be labels: a column of the user's own.
            known = tuple(each for each in TARGETS if find_target(headings, each))
            domains = tuple(find_domains(headings))
            found.append(LabelTable(name, known, domains, tuple(headings)))
        return sorted(found, key=lambda table: -len(table.known))

    @cached_property
    def lookups(self) -> list[str]:
        """Tables of what became of the LSOAs of 2011."""
        return [name for name in self._ending(TABLE_SUFFIXES) if self._is_lookup(name)]

    def _is_lookup(self, name: str) -> bool:
        try:
            return is_lookup(open_first_sheet(self.folder / name, name, is_lookup).columns)
        except InputError:
            return False

    @cached_property
    def picture_tables(self) -> list[str]:
        """Tables whose rows may be pictures' (``id`` or ``image_location``)."""
        return [name for name in self._ending(TABLE_SUFFIXES) if self._names_pictures(name)]

    def _names_pictures(self, name: str) -> bool:
        try:
            return has_pictures(open_first_sheet(self.folder / name, name, has_pictures).columns)
        except InputError:
            return False

    @cached_property
    def picture_folders(self) -> list[tuple[str, int]]:
        """Folders with pictures in them and how many, those with most first."""
        # Heights lie in TIFFs too: where nothing else is there they may be pictures.
        pictures = self._ending(SURE_PICTURES) or self._ending(PICTURE_SUFFIXES)
        counts: dict[str, int] = {}
        for name in pictures:
            parent = Path(name).parent.as_posix()
            counts[parent] = counts.get(parent, 0) + 1
        return sorted(counts.items(), key=lambda each: -each[1])

    @cached_property
    def weights(self) -> list[str]:
        """Files of weights."""
        return self._ending(WEIGHT_SUFFIXES)

    @property
    def _raster_names(self) -> set[str]:
        return {name for names in self.rasters.values() for name in names}

    def _ending(self, suffixes: Sequence[str]) -> list[str]:
        return [name for name in self.names if Path(name).suffix.lower() in suffixes]

    def find_pattern(self, names: Sequence[str]) -> str | None:
        """Find a pattern that matches just these files; None if none of the usual ones does."""
        # A name that is typed whole also finds what has signs of patterns in it.
        if len(names) == 1:
            return names[0]
        parents = {Path(name).parent.as_posix() for name in names}
        common = os.path.commonpath([Path(name).parent for name in names]) if parents else ""
        start = "" if common in ("", ".") else f"{Path(common).as_posix()}/"
        start += "" if len(parents) == 1 else "**/"
        own = [Path(name).name for name in names]
        ends = {Path(name).suffix for name in own}
        end = f"{ends.pop()}" if len(ends) == 1 else ""
        # What a name says of its product comes first: tiles that are added later fit it too.
        words = dict.fromkeys(re.findall(r"[A-Za-z]+", Path(own[0]).stem))
        tried = [f"*{end}"]
        tried += [f"*{word}*{end}" for word in words if all(word in name for name in own)]
        front = _find_common(own)
        back = _find_common([name[::-1] for name in own])[::-1]
        tried += [f"{front}*{end}", f"*{back}", f"{front}*{back}"]
        for each in (start + pattern for pattern in tried):
            matched = [name for _, name in expand_pattern(each, self.folder / each)]
            # By what it matches today, with the very function that the run will use.
            if sorted(Path(name).as_posix() for name in matched) == sorted(names):
                return each
        return None


def _find_common(names: Sequence[str]) -> str:
    """Find with which letters all names begin."""
    first, last = min(names), max(names)
    n_same = next((k for k, sign in enumerate(first) if sign != last[k : k + 1]), len(first))
    return first[:n_same]


def _is_raster(name: str) -> bool:
    return name.lower().endswith(RASTER_SUFFIXES)
