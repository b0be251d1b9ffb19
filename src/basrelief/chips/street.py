"""Pictures from the street on the areas of a place: which lies in which, and which can be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from PIL import Image
from pyproj import CRS, Transformer

from basrelief.chips.store import STREET, name_seen
from basrelief.config import InputError, Settings
from basrelief.run import Notes, Record
from basrelief.sources.coordinates import format_bounds, name_crs
from basrelief.sources.picture_files import open_picture
from basrelief.sources.street import WGS84, read_street
from basrelief.typed import Typed

LOOK_PX = 64
"""Side of what a picture is brought to when it is first looked at: enough to tell copies."""

KEPT_PX = 224
"""Side of pictures that are kept, where somebody asks for it: as networks see them."""

MAX_LOST = 0.2
"""Share of pictures that cannot be read from which they are not the ones that were meant."""

FEW_INSIDE = 0.5
"""Share of pictures inside the areas below which it is said where the others are."""

COLUMNS = ("area_id", "picture", "captured", "author", "licence", "link", "service")
"""What is kept of a picture: nothing of what it shows, and no place but its area."""


@dataclass(frozen=True, eq=False)
class StreetPictures:
    """The pictures from the street of a place, by the areas that they lie in."""

    frame: pd.DataFrame
    """A row a picture inside an area: `COLUMNS`, in order of area and picture."""

    n_listed: int
    """Pictures that have a row and a file, wherever they lie."""

    kept_because: str | None = None
    """Why pictures are kept in the run folder; None where they are not."""

    def count_by_area(self, area_ids: pd.Series[str]) -> NDArray[np.int64]:
        """Count the pictures of each area, (area,)."""
        counts = self.frame["area_id"].value_counts()
        return np.asarray(area_ids.map(counts).fillna(0), dtype=np.int64)

    def describe(self) -> Record:
        """Say how many there are, of when and whose, for ``chips.json``."""
        frame = self.frame
        taken = sorted(frame.loc[frame["captured"] != "", "captured"])
        terms = frame.groupby(["service", "licence"], sort=True)
        return {
            "n_pictures": len(frame),
            "from": taken[0] if taken else None,
            "to": taken[-1] if taken else None,
            "n_undated": int((frame["captured"] == "").sum()),
            "kept_because": self.kept_because,
            "terms": [
                {
                    "service": service,
                    "licence": licence,
                    "n_pictures": len(own),
                    # Who took most comes first: a page cannot name thousands, the table does.
                    "authors": own.loc[own["author"] != "", "author"].value_counts().index.tolist(),
                }
                for (service, licence), own in terms
            ],
        }


def take_street(
    settings: Settings, notes: Notes, areas: gpd.GeoDataFrame, folder: Path | None
) -> StreetPictures:
    """Take the pictures of ``[data.street]`` that lie in the areas, and count them there.

    Fills in ``street_pictures`` and ``has_street`` of areas, and writes ``street.parquet``: which
    pictures describe which area.

    Parameters
    ----------
    areas
        In the CRS of the heights.
    folder
        Of a chips stage; None to open no picture and write nothing.

    Raises
    ------
    InputError
        As `place_pictures` and `look_at_pictures`; or if no area has enough pictures.
    """
    # Before any is opened: that they are of another town shows in a second.
    pictures = place_pictures(settings, notes, areas)
    if folder is not None:
        pictures = look_at_pictures(settings, notes, pictures, folder)
        pictures.frame.to_parquet(folder / f"{STREET}.parquet")
    _describe_areas(settings, pictures, areas)
    return pictures


def place_pictures(settings: Settings, notes: Notes, areas: gpd.GeoDataFrame) -> StreetPictures:
    """Find in which area each picture of ``[data.street]`` lies; none is opened.

    Parameters
    ----------
    areas
        In the CRS of the heights.

    Raises
    ------
    InputError
        As `read_street`; or if no picture lies in an area, as where longitude and latitude are
        swapped.
    """
    typed, listed = settings.typed("street.table"), read_street(settings, notes)
    xy = _project(listed, CRS(areas.crs))
    found = _find_areas(xy, areas)
    if (found < 0).all():
        raise _refuse_place(listed, xy, areas, typed)
    _refuse_swapped(listed, found, areas, typed)
    is_inside = found >= 0
    if not is_inside.all():
        n_aside = int((~is_inside).sum())
        few = is_inside.mean() < FEW_INSIDE
        where = f" (all cover {format_bounds(_bound(xy))})" if few else ""
        notes.add(f"{typed}: {n_aside} of {len(listed)} pictures lie in no area{where}: left out")
    frame = listed[is_inside].assign(area_id=areas["area_id"].to_numpy()[found[is_inside]])
    # Where somebody stood goes no further than the area: nothing later needs to know it.
    frame = frame[list(COLUMNS)].sort_values(["area_id", "picture"])
    return StreetPictures(frame.reset_index(drop=True), len(listed))


def look_at_pictures(
    settings: Settings, notes: Notes, pictures: StreetPictures, folder: Path
) -> StreetPictures:
    """Open every picture, one at a time, and keep those that can be read and show something.

    A picture that is another's copy is left out, wherever it is said to lie: beside an area that
    is held out it would be learnt from, and in it tested.

    Raises
    ------
    InputError
        If too many cannot be read.
    """
    street, typed = settings.data.street, settings.typed("street.folder")
    assert street is not None
    faults, seen, kept = list[str](), set[str](), list[bool]()
    n_blank = n_copies = 0
    for name in notes.run.track(pictures.frame["picture"].tolist(), "looking at street pictures"):
        try:
            looked = open_picture(typed.path / name, LOOK_PX, is_upright=True)
        except (OSError, ValueError) as error:
            faults.append(str(error))
            kept.append(False)
            if len(faults) > MAX_LOST * len(pictures.frame):
                raise InputError(
                    f"{typed}: {len(faults)} of the first {len(kept)} pictures cannot be read, "
                    f"more than {MAX_LOST:.0%} of all: {faults[0]}. Replace or remove them."
                ) from error
            continue
        content = hashlib.sha256(looked.bands.tobytes()).hexdigest()
        # A lens that was covered, or what a service sends for a picture that it took down.
        is_blank = bool((looked.bands == looked.bands[:, :1, :1]).all())
        n_blank, n_copies = n_blank + is_blank, n_copies + (content in seen and not is_blank)
        # By what is seen and not by bytes: a copy that was saved again is one all the same.
        kept.append(not is_blank and content not in seen)
        seen.add(content)
        if street.keep_pixels and kept[-1]:
            _keep_pixels(typed.path / name, folder / f"{STREET}_pixels", name)
    _note_lost(faults, n_blank, n_copies, len(pictures.frame), typed, notes)
    because = street.reason if street.keep_pixels else None
    return StreetPictures(pictures.frame[kept].reset_index(drop=True), pictures.n_listed, because)


def _describe_areas(settings: Settings, pictures: StreetPictures, areas: gpd.GeoDataFrame) -> None:
    """Fill in how many pictures each area has, and if these are enough; stop where none has."""
    street, typed = settings.data.street, settings.typed("street.table")
    assert street is not None
    least = street.min_pictures
    areas["street_pictures"] = pictures.count_by_area(areas["area_id"])
    areas[name_seen(STREET)] = areas["street_pictures"] >= least
    if not areas[name_seen(STREET)].any():
        raise InputError(
            f"{typed}: no area has {least} pictures (data.street.min_pictures); the best has "
            f"{areas['street_pictures'].max()}. Of fewer, an area would be told by single "
            "pictures. Give more."
        )


def read_street_pictures(folder: Path) -> pd.DataFrame:
    """Read which pictures describe which area, as `take_street` wrote it: `COLUMNS`."""
    return pd.read_parquet(folder / f"{STREET}.parquet")


def say_street(pictures: StreetPictures, areas: gpd.GeoDataFrame) -> str:
    """Say how many pictures there are, in how many areas, and how many these describe."""
    n_areas, n_enough = (
        int((areas["street_pictures"] > 0).sum()),
        int(areas[name_seen(STREET)].sum()),
    )
    return (
        f"{len(pictures.frame)} street pictures of {pictures.n_listed} lie in {n_areas} areas; "
        f"{n_enough} of the {len(areas)} areas have enough to be described by them"
    )


def _project(listed: pd.DataFrame, crs: CRS) -> NDArray[np.float64]:
    """Bring places to the CRS of the areas, (picture, [x, y]); infinite where they are none."""
    # A copy: what pandas gives may be its own.
    xy = np.array(listed[["x", "y"]], dtype=np.float64)
    is_degrees = listed["is_degrees"].to_numpy(bool)
    if is_degrees.any():
        to_areas = Transformer.from_crs(WGS84, crs, always_xy=True)
        xy[is_degrees] = np.column_stack(to_areas.transform(*xy[is_degrees].T))
    return xy


def _find_areas(xy: NDArray[np.float64], areas: gpd.GeoDataFrame) -> NDArray[np.int64]:
    """Find the area that each point lies in, (point,), by position; -1 where it lies in none."""
    found = np.full(len(xy), -1, np.int64)
    is_known = np.isfinite(xy).all(axis=1)
    tree = shapely.STRtree(areas.geometry.to_numpy())
    point, area = tree.query(shapely.points(xy[is_known]), "intersects")
    rows = np.flatnonzero(is_known)
    # On an edge two areas have it: the first, so that the order of files decides nothing.
    for at, own in zip(rows[point][::-1], area[::-1], strict=True):
        found[at] = own
    return found


def _bound(xy: NDArray[np.float64]) -> tuple[float, float, float, float]:
    known = xy[np.isfinite(xy).all(axis=1)]
    if not len(known):
        return (np.nan,) * 4
    (west, south), (east, north) = known.min(axis=0), known.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _swap(listed: pd.DataFrame, areas: gpd.GeoDataFrame) -> NDArray[np.int64]:
    """Find the areas that points would lie in, were longitude and latitude the other way round."""
    other = listed.rename(columns={"x": "y", "y": "x"})
    return _find_areas(_project(other, CRS(areas.crs)), areas)


def _refuse_swapped(
    listed: pd.DataFrame, found: NDArray[np.int64], areas: gpd.GeoDataFrame, typed: Typed
) -> None:
    """Stop where some places lie in an area only the other way round."""
    aside = listed[found < 0]
    is_swapped = _swap(aside, areas) >= 0 if len(aside) else np.zeros(0, bool)
    if is_swapped.any():
        own = aside.iloc[int(np.flatnonzero(is_swapped)[0])]
        raise InputError(
            f"{typed}: {_name_axes(own)} of {int(is_swapped.sum())} pictures are swapped, such as "
            f"of {own['picture']!r}: the other way round they lie in the place. Correct those rows."
        )


def _refuse_place(
    listed: pd.DataFrame, xy: NDArray[np.float64], areas: gpd.GeoDataFrame, typed: Typed
) -> InputError:
    """Say why no picture lies in an area."""
    # First: what lies in the sea off Somalia is most often a town of Britain read backwards.
    if (_swap(listed, areas) >= 0).any():
        return InputError(
            f"{typed}: {_name_axes(listed.iloc[0])} are swapped: no picture lies in the place, and "
            "the other way round they do. Exchange the two headings."
        )
    crs = name_crs(CRS(areas.crs))
    own = listed[["x", "y"]]
    given = (*own.min(), *own.max())
    at = format_bounds(_bound(xy)) if np.isfinite(xy).all(axis=1).any() else "no place on Earth"
    hint = ""
    # No place in metres of any grid here is so near to its origin.
    if not listed["is_degrees"].any() and np.abs(given).max() <= 180:
        hint = " Easting and northing look like degrees: call them longitude and latitude."
    if listed["is_degrees"].any() and np.abs(given).max() > 360:
        hint = " Longitude and latitude are no degrees: call metres easting and northing."
    return InputError(
        f"{typed}: no picture lies in any area: they cover {at}, the areas "
        f"{format_bounds(tuple(areas.total_bounds.tolist()))} (west, south, east, north in {crs})."
        f"{hint or ' Give pictures of the same place.'}"
    )


def _name_axes(own: pd.Series) -> str:
    return "longitude and latitude" if own["is_degrees"] else "easting and northing"


def _keep_pixels(path: Path, folder: Path, name: str) -> None:
    """Keep a picture as networks see it, without anything that its file says beside."""
    target = (folder / name).with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    bands = open_picture(path, KEPT_PX, is_upright=True).bands
    # From its numbers alone: places and names of people are in what a file has beside them.
    Image.fromarray(np.ascontiguousarray(bands.transpose(1, 2, 0))).save(target)


def _note_lost(
    faults: list[str], n_blank: int, n_copies: int, n: int, typed: Typed, notes: Notes
) -> None:
    """Note which pictures are left out once they are opened."""
    if faults:
        notes.add(
            f"{typed}: {len(faults)} of {n} pictures cannot be read and are left out ({faults[0]})"
        )
    if n_blank:
        notes.add(f"{typed}: {n_blank} of {n} pictures are of one colour: left out")
    if n_copies:
        notes.add(
            f"{typed}: {n_copies} of {n} pictures are copies of others: left out, since the same "
            "picture must not be learnt from and tested"
        )
