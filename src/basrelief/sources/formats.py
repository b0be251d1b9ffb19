"""What a file is, by its first bytes: which driver may open it, and what is never opened."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from basrelief.config import InputError
from basrelief.sources.archives import list_members
from basrelief.sources.inputs import SIDES

HEAD_BYTES = 65_536
"""How much of a file is looked at: no driver decides by more."""

CHECKED_BYTES = 16 * 2**20
"""How much of a member of an archive is unpacked to see whether it is whole."""

RASTERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"EHFA_HEADER_TAG": "HFA",
}
"""Drivers of rasters by how files begin. GDAL would try a hundred more, some of which read what
a file points to: other files, or servers."""

ASCII_GRID = re.compile(
    rb"\s*(ncols|nrows|xllcorner|yllcorner|xllcenter|yllcenter|cellsize|dx|dy|nodata_value)\s",
    re.IGNORECASE,
)

VECTORS = {
    b"SQLite format 3\x00": ("GPKG",),
    b"\x00\x00\x27\x0a": ("ESRI Shapefile",),
    b"fgb\x03": ("FlatGeobuf",),
    b"!table": ("MapInfo File",),
    b"Version ": ("MapInfo File",),
    b"{": ("GeoJSON", "ESRIJSON", "TopoJSON"),
    b"<kml": ("LIBKML", "KML"),
}
"""Drivers of boundaries by how files begin."""

GEODATABASE = ("OpenFileGDB",)

JSON_SUFFIXES = (".json", ".geojson", ".topojson", ".esrijson")
"""Other suffixes make GDAL take JSON for the address of a service."""

POINTERS = (
    b"<OGRVRTDataSource",
    b"<VRTDataset",
    b"<GDAL_WMS",
    b"<GDALTileIndexDataset",
    b"<WCS_GDAL",
    b"<OGRWFSDataSource",
    b"gdal_streamed_alg",
    b"<!ENTITY",
)
"""What makes a file a pointer to others, wherever it stands in its head."""

STRANGERS = {
    b"LASF": "a point cloud; download the surface model (DSM) instead, or grid the points",
    b"\x89PNG": "a PNG picture; give heights",
    b"\xff\xd8\xff": "a JPEG picture; give heights",
    b"GIF8": "a GIF picture; give heights",
    b"%PDF": "a PDF document",
    b"\x89HDF": "HDF5 or netCDF; convert it: gdal_translate -of GTiff IN OUT.tif",
    b"CDF": "netCDF; convert it: gdal_translate -of GTiff IN OUT.tif",
    b"GRIB": "GRIB; convert it: gdal_translate -of GTiff IN OUT.tif",
    b"\x00\x00\x00\x0cjP": "JPEG 2000; convert it: gdal_translate -of GTiff IN OUT.tif",
    b"PK\x03\x04": "a zip archive; its name should end in .zip",
    b"\xd0\xcf\x11\xe0": "a workbook of old Excel, or another Office document",
    b"PAR1": "Parquet; convert it: ogr2ogr OUT.gpkg IN",
    b"\x1f\x8b": "packed by gzip; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"version https://git-lfs": "a pointer that Git LFS left; run git lfs pull",
    b"<!DOCTYPE html": "a web page, so its download failed; fetch it again",
    b"<html": "a web page, so its download failed; fetch it again",
    b"<gml": "GML; convert it: ogr2ogr OUT.gpkg IN",
    b"<wfs": "GML; convert it: ogr2ogr OUT.gpkg IN",
}
"""What is often given in the place of heights or boundaries, and what would help."""

OFFICE = (b"[Content_Types].xml", b"docProps/", b"xl/", b"mimetypeapplication/vnd.oasis")
"""What stands in the head of a zip archive that is a workbook or a text document."""

OFFLINE = {"GDAL_HTTP_PROXY": "http://127.0.0.1:9", "GDAL_HTTP_MAX_RETRY": "0"}
"""What GDAL is told wherever it opens a file: a way into the network that leads nowhere (nothing
listens at port 9), for formats let a file point to where the rest of it lies."""


@dataclass(frozen=True)
class GdalFile:
    """Something that GDAL may open, and with what."""

    path: str
    """A file or folder, or a member of a zip archive as GDAL calls it."""

    name: str
    """As the user would type it, for messages."""

    drivers: tuple[str, ...]


def check_file(path: Path, name: str) -> None:
    """Refuse what is no plain file, before anything opens it: a FIFO would wait for ever.

    Raises
    ------
    InputError
        Says what it is.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be opened ({reason}).") from error
    if stat.S_ISREG(found.st_mode):
        if found.st_size == 0:
            raise InputError(f"{name}: is empty (0 bytes). Fetch it again, or take it out.")
        return
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((word for test, word in kinds if test(found.st_mode)), "a device")
    raise InputError(f"{name}: is {kind}, no file. Give a file.")


def refuse_odd_neighbours(files: Iterable[tuple[Path, str]]) -> None:
    """Refuse what is no file and lies beside a source under its name: GDAL would open it too.

    Parameters
    ----------
    files
        Each with what the user would type for it.

    Raises
    ------
    InputError
        Names it and says what it is.
    """
    by_folder: dict[Path, dict[str, str]] = {}
    for path, name in files:
        by_folder.setdefault(path.parent, {}).setdefault(_stem(path.name), name)
    for folder, names in by_folder.items():
        for each in folder.iterdir():
            # A link that leads nowhere is nothing to GDAL either.
            is_odd = each.exists() and not (each.is_file() or each.is_dir())
            if is_odd and _stem(each.name) in names:
                check_file(each, f"{each.name}, beside {names[_stem(each.name)]}")


def _stem(name: str) -> str:
    """Give what the files of one source have in common: ``a`` of ``a.tif.aux.xml``."""
    return name.lower().split(".")[0]


@contextmanager
def open_member(path: Path, member: str | None, name: str) -> Iterator[IO[bytes]]:
    """Open a file, or a member of a zip archive, to read its bytes.

    Raises
    ------
    InputError
        If it is no plain file, or cannot be read, to its end.
    """
    check_file(path, name)
    try:
        with ExitStack() as stack:
            if member is None:
                yield stack.enter_context(path.open("rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(path))
                yield stack.enter_context(archive.open(member))
    # What zipfile raises of broken or unusual archives.
    except (
        *(OSError, EOFError, NotImplementedError, UnicodeDecodeError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise InputError(f"{name}: cannot be read to its end ({error}). Fetch it again.") from error


def read_head(path: Path, name: str, member: str | None = None) -> bytes:
    """Read how a file, or a member of a zip archive, begins; raises as `open_member`."""
    with open_member(path, member, name) as file:
        head = file.read(HEAD_BYTES)
        if member is not None:
            # To the end, where zipfile compares the checksum: GDAL reads broken bytes as they are.
            file.read(CHECKED_BYTES)
        return head


def find_raster_driver(head: bytes) -> str | None:
    """Tell which driver may open a raster that begins so; None if none may.

    >>> find_raster_driver(b"ncols 500"), find_raster_driver(b"<VRTDataset>")
    ('AAIGrid', None)
    """
    if ASCII_GRID.match(head):
        # GDAL prints what it cannot read of a header, whatever bytes that are.
        return "AAIGrid" if head.isascii() and b"\x00" not in head else None
    return next((driver for magic, driver in RASTERS.items() if head.startswith(magic)), None)


def describe_stranger(head: bytes) -> str:
    """Say what a file is that no driver may open, and what would help.

    >>> describe_stranger(b"LASF")[:13]
    'a point cloud'
    """
    text = _strip_text(head)
    if ASCII_GRID.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "an ASCII grid with bytes that are no text; save it as plain ASCII"
    if any(pointer in head for pointer in POINTERS):
        return "a list of other files or servers, which are not followed; give the files themselves"
    if text.startswith(b"PK\x03\x04") and any(each in head for each in OFFICE):
        return "a workbook or another Office document; a table has no outlines and no heights"
    found = (word for magic, word in STRANGERS.items() if text.startswith(magic))
    # Names of elements come in any case, after a declaration of XML.
    lower = (word for magic, word in STRANGERS.items() if text.lower().startswith(magic.lower()))
    return next(found, None) or next(lower, "of no kind that is read")


def find_gdal_files(path: Path, name: str) -> list[GdalFile]:
    """Find what GDAL may open as boundaries at a path: the file, or what a zip archive holds.

    Raises
    ------
    InputError
        If there is nothing; says what was found instead.
    """
    if path.is_dir():
        for each in path.iterdir():
            if each.exists() and not each.is_dir() and not each.is_file():
                check_file(each, f"{name}/{each.name}")
        return [_open_folder(path, name)]
    if path.suffix.lower() in SIDES:
        path = _find_beside(path, SIDES[path.suffix.lower()]) or path
    if path.suffix.lower() in (".zip", ".kmz"):
        return _open_archive(path, name)
    check_file(path, name)
    refuse_odd_neighbours([(path, name)])
    drivers = _match_vector(read_head(path, name), path.suffix, name)
    beside = [each.name for each in path.parent.iterdir()]
    _check_shapefile(path.name, beside, path.name, lambda each: read_head(path.parent / each, each))
    return [GdalFile(str(path.absolute()), name, drivers)]


def _open_archive(path: Path, name: str) -> list[GdalFile]:
    """Find the boundaries that a zip archive holds: geodatabases where it has any."""
    members = list_members(path, name)
    geodatabases = sorted(
        {m[: m.lower().index(".gdb/") + 4] for m in members if ".gdb/" in m.lower()}
    )
    if geodatabases:
        return [
            GdalFile(name_member(path, each), f"{name}/{each}", GEODATABASE)
            for each in geodatabases
        ]
    wanted = (".shp", ".gpkg", ".fgb", ".kml", ".tab", ".mif", *JSON_SUFFIXES)
    chosen = [member for member in members if member.lower().endswith(wanted)]
    if not chosen:
        raise InputError(
            f"{name}: holds no boundaries ({', '.join(wanted)}) among its {len(members)} files. "
            "Give an archive that does, or unpack it."
        )
    found = []
    for member in chosen:
        called = f"{name}/{member}"
        drivers = _match_vector(read_head(path, called, member), Path(member).suffix, called)
        _check_shapefile(
            member, members, called, lambda each: read_head(path, f"{name}/{each}", each)
        )
        found.append(GdalFile(name_member(path, member), called, drivers))
    return found


def name_member(path: Path, member: str) -> str:
    """Call a member of a zip archive as GDAL does."""
    absolute = str(path.absolute())
    # The braces say where the archive's name ends: a folder may be called .zip too. But in a
    # name with braces of its own GDAL loses count.
    if "{" in absolute or "}" in absolute:
        return f"/vsizip/{absolute}/{member}"
    return f"/vsizip/{{{absolute}}}/{member}"


def _open_folder(path: Path, name: str) -> GdalFile:
    tables = [each.name for each in path.glob("*.gdbtable")]
    if path.suffix.lower() == ".gdb" and tables:
        return GdalFile(str(path.absolute()), name, GEODATABASE)
    inside = sorted(
        each.name for each in path.iterdir() if each.suffix.lower() in (".shp", ".gpkg", ".geojson")
    )
    choice = f' Name the file, for example "{name}/{inside[0]}".' if inside else ""
    raise InputError(f"{name}: is a folder, no file of boundaries.{choice}")


def _find_beside(path: Path, suffix: str) -> Path | None:
    """Find the file of the same stem with a suffix, in either case."""
    wanted = f"{path.stem}{suffix}".lower()
    if not path.parent.is_dir():
        return None
    return next((each for each in path.parent.iterdir() if each.name.lower() == wanted), None)


def _check_shapefile(
    shape: str, present: Iterable[str], name: str, read: Callable[[str], bytes]
) -> None:
    """Refuse a shapefile without the files that hold its codes and its order, or with another's.

    Parameters
    ----------
    shape, present
        The file of shapes, and what lies beside it, as its folder or archive calls them.
    name
        As messages call the file of shapes.
    read
        Gives how one of ``present`` begins.
    """
    if not shape.lower().endswith(".shp"):
        return
    own = {each.lower(): each for each in present}
    stem = str(PurePosixPath(shape).with_suffix(""))
    beside = {suffix: own.get(f"{stem}{suffix}".lower()) for suffix in (".dbf", ".shx")}
    missing = [suffix for suffix, each in beside.items() if each is None]
    if missing:
        what = " and ".join(f"{PurePosixPath(stem).name}{each}" for each in missing)
        raise InputError(
            f"{name}: {what} should lie beside it"
            f"{' (the codes of the areas are in the .dbf)' if '.dbf' in missing else ''}. "
            "A shapefile is several files: copy them all."
        )
    n_rows, n_shapes = (
        count(read(str(beside[suffix]))) for suffix, count in COUNTED_SHAPEFILE.items()
    )
    # GDAL pairs rows and shapes by their place: of two editions each area gets another's code.
    if n_rows != n_shapes:
        raise InputError(
            f"{name}: has {n_shapes:,} shapes, and the .dbf beside it {n_rows:,} rows of codes: "
            "they are not of one shapefile. Copy all its files anew from one source."
        )


def _count_rows(head: bytes) -> int:
    """Count the rows of a .dbf by its header; what is marked as deleted counts."""
    return int.from_bytes(head[4:8], "little")


def _count_shapes(head: bytes) -> int:
    """Count the shapes of a .shx by its header, which has its length in words of 2 bytes."""
    return max(0, int.from_bytes(head[24:28], "big") * 2 - 100) // 8


COUNTED_SHAPEFILE = {".dbf": _count_rows, ".shx": _count_shapes}
"""How many areas the files of a shapefile hold (ESRI Shapefile Technical Description, 1998)."""


def _match_vector(head: bytes, suffix: str, name: str) -> tuple[str, ...]:
    """Find the drivers that may open boundaries that begin so."""
    text = _strip_text(head)
    found = next((d for magic, d in VECTORS.items() if text.startswith(magic)), None)
    if found is not None and text.startswith(b"{") and suffix.lower() not in JSON_SUFFIXES:
        raise InputError(
            f"{name}: holds JSON, and its name does not end in .geojson or .json. Rename it."
        )
    if found is None or any(pointer in head for pointer in POINTERS):
        raise InputError(
            f"{name}: cannot be read as boundaries (it is {describe_stranger(head)}). Give a "
            "shapefile, GeoPackage, GeoJSON, FlatGeobuf, KML, file geodatabase, Esri JSON or "
            "MapInfo file of polygons, or a zip of one."
        )
    return found


def _strip_text(head: bytes) -> bytes:
    """Take away what may stand before a text begins: marks, blanks, declarations, comments."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if not text.lstrip().startswith((b"<", b"{", b"!")):
        return text
    return re.sub(rb"^(\s+|<\?[^>]*\?>|<!--.*?-->)+", b"", text, flags=re.DOTALL)
