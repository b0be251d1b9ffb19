"""What the names of official tiles say: surface or terrain, and when it was flown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from basrelief.sources.national_grid import read_square
from basrelief.sources.plausible import SMALLEST_CELL_M

Product = Literal["surface", "terrain"]

ProductKind = Literal[
    "surface", "terrain", "vegetation", "intensity", "hillshade", "points", "photograph"
]
"""What offices hand out on the same squares, heights or not."""

Returns = Literal["first", "last"]

WORDS: dict[Product, tuple[str, ...]] = {
    "surface": ("dsm", "dom", "mns"),
    "terrain": ("dtm", "dgm", "mnt"),
}
"""What offices call them: English, German, French. "DEM" is said of both, and tells nothing."""

PICTURES = r"hill_?shade|intensity|(?<![a-z])(?:slope|aspect|curvature|roughness|svf)(?![a-z])"
"""What offices hand out beside heights on the same squares, or programs make of them."""

ABOVE_GROUND = r"(?<![a-z])(?:ndsm|chm|ndom)(?![a-z])"
"""What heights above the ground are called, of all that stands on it or of crowns alone."""

FEET = r"(?<![a-z])(?:ft|feet|foot|us_?ft|ft_?us)(?![a-z])"
"""How names say that heights, or cells, are in feet."""

KINDS: dict[ProductKind, str] = {
    "hillshade": r"hill_?shade|shaded",
    "intensity": r"intensity",
    "vegetation": r"vom|vegetation",
    "points": r"point_?cloud|la[sz]$|copc",
    "photograph": r"aerial_photography|rgbn?|ecw$",
}
"""What names say that are of neither surface nor terrain: a hillshade of a surface is one."""

RETURNS: dict[Returns, str] = {"first": r"fz|first[ _-]?return", "last": r"lz|last[ _-]?return"}
"""What the first pulse met, as crowns of trees, or the last, as the ground below them."""

FLIGHT = re.compile(
    r"(?<![\da-z])((?:19|20)\d{2})(?:([_-]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01]))?(?![\da-z])",
    re.IGNORECASE,
)
"""A day or a year. Not within a word: tq2010 is a square of the grid."""

LARGEST_NAMED_M = 100.0
"""What is longer in a name is no cell."""

CELL = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?)(cm|m)(?![a-z])")
SQUARE = re.compile(r"(?<![a-z\d])([a-z]{2})(\d{4}|\d{2})[ _]?([ns][ew])?(?![a-z\d])")

SERVED = re.compile(r"([a-z_]+)-((?:19|20)\d{2})-(\d+(?:\.\d+)?|nan)-[a-z]{2}\d")
"""How the survey service of England calls its archives: product, year, metres a cell, square."""

EDITION = re.compile(r"composite")
"""What is put together from surveys of many years: the year in its name is that of the edition."""


@dataclass(frozen=True)
class TileName:
    """What a tile's name says of it; None where it says nothing."""

    kind: ProductKind | None = None
    returns: Returns | None = None
    cell_m: float | None = None
    square: str | None = None
    """Its reference on the National Grid, as in ``TQ28NE``."""

    flown_from: date | None = None
    flown_to: date | None = None
    """First and last day of flight; of a year alone, its first and last."""

    edition: int | None = None
    """The year in which older surveys were put together: nothing in it was flown later."""


def tell_product(name: str) -> Product | None:
    """Tell a tile's product by the last part of its name that says one; None if none does.

    Examples
    --------
    >>> tell_product("lidar/TQ38sw_FZ_DSM_2m.tif"), tell_product("LIDAR-DTM-1M-SP40.zip/a.asc")
    ('surface', 'terrain')
    >>> tell_product("NewcastleCentreDEM_2m.img") is None
    True
    """
    for part in reversed(re.split(r"[/\\]", name.lower())):
        # A code of the grid may stand before: dsm1m, but not ndsm.
        found = [
            product
            for product, words in WORDS.items()
            if re.search(rf"(?<![a-z])({'|'.join(words)})(?![a-z])", part)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def tell_picture(name: str) -> str | None:
    """Tell the word in a file's own name that says that it shows something else than heights.

    >>> tell_picture("lidar/tq3080_hillshade.tif")
    'hillshade'
    """
    found = re.search(PICTURES, re.split(r"[/\\]", name.lower())[-1])
    return found[0] if found else None


def is_above_ground(name: str) -> bool:
    """Tell whether a file's own name says that its heights count from the ground, not the sea.

    >>> is_above_ground("lidar/tq38_nDSM.tif"), is_above_ground("lidar/tq38_DSM.tif")
    (True, False)
    """
    return re.search(ABOVE_GROUND, re.split(r"[/\\]", name.lower())[-1]) is not None


def is_in_feet(name: str) -> bool:
    """Tell whether a file's own name says that something in it is in feet.

    >>> is_in_feet("lidar/dsm_ft.tif"), is_in_feet("lidar/shaftesbury_dsm.tif")
    (True, False)
    """
    return re.search(FEET, re.split(r"[/\\]", name.lower())[-1]) is not None


def tell_flight(name: str) -> int | None:
    """Tell the last day of flight in a tile's name, as YYYYMMDD; a year alone is its end.

    Examples
    --------
    >>> tell_flight("DSM_TQ3080_P_12151_20201212_20201213.tif")
    20201213
    >>> tell_flight("2017-LIDAR-DSM-1M-SD72se.zip/sd7020_DSM_1M.asc")
    20171231
    >>> tell_flight("tq2010_DSM_2M.asc") is None
    True
    """
    for part in _walk_up(name):
        found = _find_days(part)
        if found:
            return int(f"{max(last for _, last in found):%Y%m%d}")
    return None


def read_name(name: str) -> TileName:
    """Read all that the name of a tile says, of a file or of a member of an archive.

    The last part of a path that says a thing is believed: an archive speaks where what is in it
    does not.

    Examples
    --------
    >>> tile = read_name("LIDAR-DSM-1M-SP40ne.zip/sp4507_FZ_DSM_1M.asc")
    >>> tile.kind, tile.returns, tile.cell_m, tile.square
    ('surface', 'first', 1.0, 'SP4507')
    >>> read_name("lidar_composite_dtm-2022-1-TQ28NE.zip")
    TileName(kind='terrain', returns=None, cell_m=1.0, square='TQ28NE', flown_from=None, \
flown_to=None, edition=2022)
    """
    said = [_read_part(part) for part in _walk_up(name)]

    def first(key: str) -> Any:
        return next((value for one in said if (value := getattr(one, key)) is not None), None)

    # Both days from one part: the years of two would be sewn into a time of nobody's flight.
    dated = next((one for one in said if one.flown_to or one.edition), TileName())
    return TileName(
        first("kind"),
        first("returns"),
        first("cell_m"),
        first("square"),
        dated.flown_from,
        dated.flown_to,
        dated.edition,
    )


def _read_part(part: str) -> TileName:
    """Read one part of a path."""
    text = part.lower()
    stem = re.sub(r"\.(?:zip|tiff?|asc|img|ecw)$", "", text)
    served = SERVED.search(stem)
    cell_m = _find_cell(stem) if served is None or served[3] == "nan" else float(served[3])
    days = _find_days(part)
    is_edition = EDITION.search(text) is not None
    last = max((day for _, day in days), default=None)
    return TileName(
        kind=_find_kind(text),
        returns=next((k for k, words in RETURNS.items() if _says(words, text)), None),
        cell_m=cell_m,
        square=_find_square(stem),
        flown_from=None if is_edition else min((day for day, _ in days), default=None),
        flown_to=None if is_edition else last,
        edition=last.year if is_edition and last else None,
    )


def _walk_up(name: str) -> Iterator[str]:
    """Give the parts of a path, the file's own name first."""
    return reversed(re.split(r"[/\\]", name))


def _says(words: str, text: str) -> bool:
    """Whether a text says one of some words, and not as part of a longer one."""
    return re.search(rf"(?<![a-z])(?:{words})(?![a-z])", text) is not None


def _find_kind(text: str) -> ProductKind | None:
    stem = text.replace(".", " ")
    other = next((kind for kind, words in KINDS.items() if _says(words, stem)), None)
    return other or tell_product(text)


def _find_cell(text: str) -> float | None:
    """Find the side of a cell, in metres."""
    found = {float(n) / (100 if unit == "cm" else 1) for n, unit in CELL.findall(text)}
    likely = {side for side in found if SMALLEST_CELL_M <= side <= LARGEST_NAMED_M}
    return likely.pop() if len(likely) == 1 else None


def _find_square(text: str) -> str | None:
    """Find the one square of the grid that a text names; the smallest where it names several."""
    names = ["".join(parts).upper() for parts in SQUARE.findall(text)]
    known = [(name, bounds) for name in names if (bounds := read_square(name)) is not None]
    return min(known, key=lambda each: each[1][2] - each[1][0], default=(None,))[0]


def _find_days(text: str) -> list[tuple[date, date]]:
    """Find days and years: each as its first and last day."""
    found = []
    for match in FLIGHT.finditer(text):
        year = int(match[1])
        if match[3] is None:
            found.append((date(year, 1, 1), date(year, 12, 31)))
            continue
        try:
            day = date(year, int(match[3]), int(match[4]))
        except ValueError:
            continue  # the 31st of a month that has none
        found.append((day, day))
    return found
