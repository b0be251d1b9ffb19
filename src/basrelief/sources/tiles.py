"""Raster files as delivered: where they are, what their headers say."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import rasterio
from pyproj import CRS
from rasterio.enums import MaskFlags

from basrelief.config import InputError
from basrelief.grid import Grid
from basrelief.sources.archives import list_members
from basrelief.sources.ascii_grids import find_header_fault
from basrelief.sources.coordinates import find_vertical_axis, flatten_crs
from basrelief.sources.formats import (
    check_file,
    describe_stranger,
    find_raster_driver,
    name_member,
    read_head,
    refuse_odd_neighbours,
)
from basrelief.sources.gdal import BROKEN_RASTER, bounded_gdal, say_gdal_reason
from basrelief.sources.inputs import expand_pattern, refuse_absent
from basrelief.sources.plausible import METRES_A_UNIT
from basrelief.sources.raster_places import find_move, find_place_fault
from basrelief.typed import Typed

UNIT_TOLERANCE = 0.01
"""Parts by which two words for one unit may differ: the feet in use do by a millionth."""

RASTER_SUFFIXES = (".asc", ".tif", ".tiff", ".img")

GRID_TOLERANCE = 0.01
"""Largest shift between the grids of two tiles, in cells."""


@dataclass(frozen=True)
class Tile:
    """A raster file as delivered: its header, not its heights."""

    path: str
    """What GDAL opens: a file, or a member of a zip archive."""

    file: Path
    """The file, or the archive that it is in."""

    member: str | None
    """Which of the archive's files it is."""

    driver: str
    """The one driver that may open it."""

    name: str
    """The file as the user typed it, for messages."""

    grid: Grid
    nodata: float | None
    """The value declared as nodata, if any."""

    crs: CRS | None
    """The horizontal CRS that the file carries, if any."""

    unit: str = "m"
    """What the file calls the unit of its heights; metres where it does not say."""

    unit_m: float = 1.0
    """Metres in it."""

    is_scaled: bool = False
    """Whether it says that its numbers are heights only after a scale or an offset."""

    has_mask: bool = False
    """Whether a mask in it, or beside it, says where there is data."""

    fault: str | None = None
    """Why this cannot be a tile of heights, if so."""

    own_grid: Grid | None = None
    """The cells that the file has, where it is read on others beside tiles of another size."""

    @property
    def cells(self) -> Grid:
        """The cells that the file has."""
        return self.own_grid or self.grid


def find_tiles(typed: Typed) -> tuple[Tile, ...]:
    """Read the headers of all tiles that a pattern matches, sorted by name.

    Raises
    ------
    InputError
        If nothing matches, or a match is no raster.
    """
    return tuple(_read_header(each) for each in find_raster_files(typed))


def find_raster_files(typed: Typed) -> list[RasterFile]:
    """Find the rasters that a pattern matches, sorted by name; none of them is opened.

    Raises
    ------
    InputError
        If nothing matches, or a match is a raster by nothing in it.
    """
    return [each for path, name in _find_files(typed) for each in _unpack(path, name)]


def _find_files(typed: Typed) -> list[tuple[Path, str]]:
    """Find what a pattern matches, each as a path and as the user would type it."""
    files = expand_pattern(typed.value, typed.path)
    if files:
        refuse_odd_neighbours(files)
        return files
    if typed.path.is_dir():
        raise InputError(
            f'{typed}: this is a folder. Say which files, for example "{typed.value}/*.tif".'
        )
    if typed.path.exists():
        check_file(typed.path, str(typed))
    what = "no file matches. Give a pattern of ASCII grids, GeoTIFFs or zip archives of them"
    raise refuse_absent(typed, what)


@dataclass(frozen=True)
class RasterFile:
    """A raster file, or one in a zip archive."""

    file: Path
    member: str | None
    name: str
    """As the user would type it, for messages."""

    has_mask: bool
    """Whether a file that GDAL takes for its mask lies beside it."""

    @property
    def path(self) -> str:
        """What GDAL opens."""
        if self.member is None:
            return str(self.file.absolute())
        return name_member(self.file, self.member)

    def read_head(self) -> bytes:
        """Read how it begins."""
        return read_head(self.file, self.name, self.member)

    def choose_driver(self, head: bytes) -> str:
        """Choose the one driver that may open it, by how it begins; refuse an odd mask too.

        Raises
        ------
        InputError
            Says what it is instead.
        """
        driver = _choose_driver(head, self.name)
        if self.has_mask:
            _check_mask(self)
        return driver


def _unpack(path: Path, name: str) -> list[RasterFile]:
    """Turn a file into rasters: itself, or those in a zip archive."""
    if path.suffix.lower() != ".zip":
        return [RasterFile(path, None, name, path.with_name(f"{path.name}.msk").exists())]
    check_file(path, name)
    members = list_members(path, name)
    rasters = [m for m in members if m.lower().endswith(RASTER_SUFFIXES)]
    if not rasters:
        raise InputError(
            f"{name}: holds no raster ({', '.join(RASTER_SUFFIXES)}) among its "
            f"{len(members)} files. Take it out of the pattern."
        )
    known = set(members)
    return [RasterFile(path, each, f"{name}/{each}", f"{each}.msk" in known) for each in rasters]


def _choose_driver(head: bytes, name: str) -> str:
    driver = find_raster_driver(head)
    if driver is None:
        raise InputError(
            f"{name}: this is no raster that can be read (it is {describe_stranger(head)}). "
            "Narrow the pattern to GeoTIFFs, ASCII grids, Erdas Imagine files or zips of them."
        )
    return driver


def _read_header(found: RasterFile) -> Tile:
    file, member, name = found.file, found.member, found.name
    head = found.read_head()
    driver, path = found.choose_driver(head), found.path
    try:
        with bounded_gdal(), rasterio.open(path, driver=driver) as dataset:
            wkt = dataset.crs.to_wkt() if dataset.crs else None
            crs = CRS.from_wkt(wkt) if wkt else None
            unit, unit_m, fault = _read_unit(dataset, crs)
            cell = dataset.transform
            return Tile(
                path=path,
                file=file,
                member=member,
                driver=driver,
                name=name,
                # Cells that went through a division differ in the last digits from tile to tile.
                grid=Grid(cell.c, cell.f, round(float(cell.a), 9), dataset.shape),
                nodata=dataset.nodata,
                crs=flatten_crs(crs) if crs else None,
                unit=unit,
                unit_m=unit_m,
                is_scaled=dataset.scales[:1] != (1.0,) or dataset.offsets[:1] != (0.0,),
                has_mask=MaskFlags.per_dataset in dataset.mask_flag_enums[0],
                fault=(find_header_fault(head) if driver == "AAIGrid" else None)
                or _find_odd_band(dataset)
                or _find_odd_scale(dataset)
                or find_place_fault(dataset)
                or _find_odd_cells(dataset)
                or (find_stranger(dataset, file) if member is None else None)
                or (find_move(dataset, file) if driver == "GTiff" and member is None else None)
                or fault
                or _find_double(dataset, unit_m, unit),
            )
    # A CRS that GDAL writes and PROJ does not read is as little use as a broken file.
    except BROKEN_RASTER as error:
        raise InputError(
            f"{name}: this is no raster that can be read ({say_gdal_reason(error, path, name)}). "
            "Narrow the pattern to ASCII grids, GeoTIFFs or zips of them, or fetch it again."
        ) from error


def _check_mask(found: RasterFile) -> None:
    """Refuse a mask beside a raster that is no GeoTIFF: GDAL would open it, whatever it is."""
    name = f"{found.name}.msk"
    if found.member is None:
        head = read_head(found.file.with_name(f"{found.file.name}.msk"), name)
    else:
        head = read_head(found.file, name, f"{found.member}.msk")
    if find_raster_driver(head) != "GTiff":
        raise InputError(
            f"{name}: is no mask (it is {describe_stranger(head)}). Take it away from beside the "
            "raster."
        )


def _read_unit(dataset: Any, crs: CRS | None) -> tuple[str, float, str | None]:
    """Read the unit of heights: what the band says, else the vertical CRS; and what is wrong."""
    axis = find_vertical_axis(crs) if crs is not None else None
    said = (dataset.units[0] or "").strip() if dataset.count else ""
    # Depths of a sea bed would make hills of its basins.
    if axis is not None and axis[1] == "down":
        return said, 1.0, "its heights count downwards, by its vertical CRS. Give altitudes."
    if said:
        known = METRES_A_UNIT.get(said.lower())
        if known and axis is not None and abs(axis[0] / known - 1) > UNIT_TOLERANCE:
            return (
                said,
                known,
                (
                    f"its band is in {said!r}, its vertical CRS in units of {axis[0]:g} m. "
                    "Correct the one that is wrong."
                ),
            )
        cure = f"its band is in {said!r}, no unit of heights that is known. Give heights in metres."
        return said, known or 1.0, None if known else cure
    if axis is None or abs(axis[0] - 1) < 1e-9:
        return "m", 1.0, None
    return "feet" if 0.3 < axis[0] < 0.31 else f"units of {axis[0]:g} m", axis[0], None


def _find_double(dataset: Any, unit_m: float, unit: str) -> str | None:
    """Say that a raster names a unit and a scale, of which one may be meant for the other."""
    if abs(unit_m - 1) < UNIT_TOLERANCE or dataset.scales[0] == 1.0:
        return None
    return (
        f"its band is in {unit!r}, and its numbers are scaled by {dataset.scales[0]:g} as well: "
        "both together would convert twice. Give heights in metres, without either."
    )


def find_stranger(dataset: Any, file: Path) -> str | None:
    """Say which file of another name or folder an open raster reads from, or nothing."""
    stem = file.name.lower().split(".")[0]
    for name in map(Path, dataset.files):
        if name.absolute().parent != file.absolute().parent or not name.name.lower().startswith(
            stem
        ):
            return (
                f"it is not whole: part of it lies in {name.name}, and nothing that a file points "
                "to is followed. Give it as a GeoTIFF: gdal_translate IN OUT.tif"
            )
    return None


def _find_odd_band(dataset: Any) -> str | None:
    """Say why what an open raster holds cannot be heights, or nothing."""
    # GDAL opens the first of several pages as if it were all.
    if dataset.subdatasets:
        return (
            f"has {len(dataset.subdatasets)} pages, and heights have one. Take out the one that is "
            "meant: gdal_translate GTIFF_DIR:1:IN.tif OUT.tif"
        )
    if dataset.count != 1:
        return f"has {dataset.count} bands, heights have one. Give a raster of heights."
    kind = str(dataset.dtypes[0])
    if "complex" in kind:
        return f"holds complex numbers ({kind}), as radar does. Give a raster of heights."
    if kind in ("uint8", "int8"):
        return (
            "holds whole numbers of one byte (0 to 255), as a hillshade, a mask or a picture "
            "does. Give the heights themselves."
        )
    return None


def _find_odd_scale(dataset: Any) -> str | None:
    """Say why the scale or offset of an open raster makes no heights, or nothing."""
    scale, offset = dataset.scales[0], dataset.offsets[0]
    if isfinite(scale) and scale != 0 and isfinite(offset):
        return None
    return (
        f"its numbers are scaled by {scale:g} and moved by {offset:g}, which makes no heights. "
        "Take both away: gdal_translate -a_scale 1 -a_offset 0 IN OUT.tif"
    )


def _find_odd_cells(dataset: Any) -> str | None:
    """Say why the cells of an open raster cannot be laid on a grid, or nothing."""
    cell = dataset.transform
    n_cells = max(dataset.shape)
    # Over all cells: what is too little to see in one adds up to a shift of the last.
    is_square = abs(abs(cell.a) - abs(cell.e)) * n_cells <= GRID_TOLERANCE * abs(cell.a)
    if is_square and cell.a > 0 and cell.e > 0 and not (cell.b or cell.d):
        return (
            "its rows run from the south, and rasters begin in the north. Turn it round: "
            "gdalwarp IN.tif OUT.tif"
        )
    if cell.b or cell.d or cell.a <= 0 or not is_square:
        return (
            f"its cells are {cell.a:g} by {cell.e:g} m, rotated by {cell.b:g}, {cell.d:g}. "
            "Resample it to square cells with north up."
        )
    return None
