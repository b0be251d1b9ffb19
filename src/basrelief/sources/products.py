"""What the names of official tiles say: surface or terrain, and when it was flown."""

from __future__ import annotations

import re
from typing import Literal

Product = Literal["surface", "terrain"]

WORDS: dict[Product, tuple[str, ...]] = {
    "surface": ("dsm", "dom", "mns"),
    "terrain": ("dtm", "dgm", "mnt"),
}
"""What offices call them: English, German, French. "DEM" is said of both, and tells nothing."""

PICTURES = r"hill_?shade|intensity|(?<![a-z])(?:slope|aspect|curvature|roughness|svf)(?![a-z])"
"""What offices hand out beside heights on the same squares, or programs make of them."""

ABOVE_GROUND = r"(?<![a-z])(?:ndsm|chm|ndom)(?![a-z])"
"""What heights above the ground are called, of all that stands on it or of crowns alone."""

FLIGHT = re.compile(
    r"(?<!\d)((?:19|20)\d{2})(?:(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?(?![\dA-Za-z])"
)


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
    for part in reversed(re.split(r"[/\\]", name)):
        # Not within a word: tq2010 is a square of the grid.
        found = [
            int(match[1] + (match[2] or "12") + (match[3] or "31"))
            for match in FLIGHT.finditer(part)
            if match.start() == 0 or not part[match.start() - 1].isalnum()
        ]
        if found:
            return max(found)
    return None
