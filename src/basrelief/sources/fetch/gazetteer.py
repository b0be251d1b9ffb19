"""Names of places and where they are: the Index of Place Names of the ONS."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from pathlib import Path

import pandas as pd
import shapely
from pyproj import Transformer

from basrelief.sources.archives import BROKEN
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.downloads import download
from basrelief.sources.national_grid import NATIONAL_GRID

WELSH = {
    "abertawe": "Swansea",
    "bro morgannwg": "Vale of Glamorgan",
    "caerdydd": "Cardiff",
    "caerffili": "Caerphilly",
    "casnewydd": "Newport",
    "castell nedd port talbot": "Neath Port Talbot",
    "merthyr tudful": "Merthyr Tydfil",
    "pen y bont ar ogwr": "Bridgend",
    "sir benfro": "Pembrokeshire",
    "sir ddinbych": "Denbighshire",
    "sir fynwy": "Monmouthshire",
    "sir gaerfyrddin": "Carmarthenshire",
    "sir y fflint": "Flintshire",
    "tor faen": "Torfaen",
    "wrecsam": "Wrexham",
    "ynys mon": "Isle of Anglesey",
}
"""Districts of Wales whose names differ, as `fold_name` writes them: the layer has the English."""


def fold_name(name: str) -> str:
    """Write a name as it is compared: people leave out accents, apostrophes and hyphens.

    Examples
    --------
    >>> fold_name("Ynys Môn"), fold_name("King’s Lynn & West-Norfolk")
    ('ynys mon', 'kings lynn and west norfolk')
    """
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ")).casefold()
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(re.sub(r"-", " ", re.sub(r"['’‘ʼ`´.]", "", letters)).split())


def read_place_names(client: Client) -> pd.DataFrame:
    """Read the ONS Index of Place Names (July 2024) of localities, built-up areas and parishes.

    Returns
    -------
    DataFrame
        ``name, kind, rank, lad, lad_name, point``; points in EPSG:27700, localities first.
    """
    url = "https://www.arcgis.com/sharing/rest/content/items/208d9884575647c29f0dd5a1184e711a/data"
    kinds = {"LOC": 0, "BUA": 1, "PAR": 2, "COM": 3}
    path = download(client, url, "www.arcgis.com/place-names-2024.zip", check=_check_names_zip)
    with zipfile.ZipFile(path) as archive, archive.open(_find_csv(archive)) as file:
        # In the encoding of an old Windows; as UTF-8, Welsh and Gaelic names would not be found.
        table = pd.read_csv(file, encoding="cp1252", dtype=str)
    table.columns = table.columns.str.lower()
    missing = {"place23nm", "descnm", "lat", "long", "lad23cd", "lad23nm"} - set(table.columns)
    if missing:
        raise ServiceError(
            f"www.arcgis.com: the Index of Place Names has no column {', '.join(sorted(missing))}"
        )
    kept = table[table["descnm"].isin(kinds) & table["lad23nm"].notna()].dropna(
        subset=["place23nm", "lat", "long"]
    )
    to_grid = Transformer.from_crs("EPSG:4326", NATIONAL_GRID, always_xy=True)
    x, y = to_grid.transform(kept["long"].astype(float), kept["lat"].astype(float))
    return pd.DataFrame(
        {
            "name": kept["place23nm"],
            "kind": kept["descnm"],
            "rank": kept["descnm"].map(kinds),
            "lad": kept["lad23cd"],
            "lad_name": kept["lad23nm"],
            "point": shapely.points(x, y),
        }
    ).reset_index(drop=True)


def _check_names_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _find_csv(archive)
    except BROKEN as error:
        raise ServiceError("www.arcgis.com: the Index of Place Names came as no zip") from error


def _find_csv(archive: zipfile.ZipFile) -> str:
    names = [each for each in archive.namelist() if re.search(r"IPN_GB_\d+\.csv$", each)]
    if not names:
        raise ServiceError("www.arcgis.com: the Index of Place Names holds no IPN_GB_*.csv")
    return names[0]
