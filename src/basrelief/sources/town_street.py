"""Street pictures of a synthetic town, which say what neither heights nor a photo do."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer
from scipy import ndimage

from basrelief.sources.townscape import Plane, TownEye, smooth_noise

SIDE_PX, CELL_PX = 64, 8
"""Sides of a picture, and of what stands in it: a shop front or a wall."""

N_AREA = 12
"""Pictures in most areas: two more than the fewest that describe one."""

N_FEW = 4
"""Pictures in the areas that have too few, as there are everywhere."""

SHARE_FEW = 0.06
FIELD_M = 120.0
"""Ground over which fronts are alike. Less than from area to area, so that place does not tell what
the pictures of another area show."""

SKY, WALL, FRONT, ROAD = (
    (170.0, 195.0, 225.0),
    (140.0, 95.0, 80.0),
    (235.0, 205.0, 120.0),
    (95.0, 95.0, 98.0),
)
"""Red, green and blue, 0 to 255."""

STREET_EYE = TownEye(
    target="bustle",
    truth="share of shop fronts in street pictures: neither heights nor a photo show it",
    r2=0.85,
    recipe="street-vgg16",
    section="""
[data.street]
folder = "street"
table = "street.csv"
""",
)


def take_street_pictures(
    folder: Path, areas: gpd.GeoDataFrame, rng: np.random.Generator
) -> tuple[Plane, pd.DataFrame]:
    """Write street pictures of a town into a folder, and say how many fronts its areas have.

    Nothing of the relief is in them: a front stands anywhere, whatever is built there.

    Returns
    -------
    (area,)
        Share of shop fronts, over the pictures of each area.
    DataFrame
        The table of the pictures, with places in degrees.
    """
    folder.mkdir()
    fronts, shown, rows = _Fronts(areas, rng), [], []
    to_degrees = Transformer.from_crs(areas.crs, "EPSG:4326", always_xy=True)
    for k, polygon in enumerate(areas.geometry):
        is_few = rng.uniform() < SHARE_FEW
        xy = _draw_points(polygon, N_AREA if not is_few else N_FEW, rng)
        # Of where the pictures are and not of the whole area: that is all that they can show.
        shares = fronts.find(xy)
        shown.append(shares.mean())
        for j, (share, (x, y)) in enumerate(zip(shares, xy, strict=True)):
            own = f"s{k:03d}{j:02d}"
            Image.fromarray(_draw_picture(share, rng)).save(folder / f"{own}.png")
            lon, lat = to_degrees.transform(x, y)
            day = f"{rng.integers(2018, 2021)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
            rows.append((own, round(lon, 7), round(lat, 7), day, f"walker {rng.integers(9)}"))
    columns = ["id", "longitude", "latitude", "captured_at", "author"]
    table = pd.DataFrame(rows, columns=columns).assign(licence="CC BY 4.0")
    return np.array(shown), table


def _draw_points(polygon: object, n: int, rng: np.random.Generator) -> Plane:
    """Draw points inside an area, (point, [x, y])."""
    points = gpd.GeoSeries([polygon]).sample_points(n, rng=rng).explode(index_parts=False)
    return np.column_stack([points.x, points.y])


class _Fronts:
    """Share of shop fronts by place: 0.1 to 0.9, alike over `FIELD_M`."""

    def __init__(self, areas: gpd.GeoDataFrame, rng: np.random.Generator) -> None:
        self.west, south, east, self.north = areas.total_bounds
        self.cell_m = FIELD_M / 4
        shape = (
            int((self.north - south) / self.cell_m) + 2,
            int((east - self.west) / self.cell_m) + 2,
        )
        noise = smooth_noise(shape, FIELD_M / self.cell_m, rng)
        # By rank, so that shares of every size are as frequent.
        rank = noise.ravel().argsort().argsort().reshape(shape) / noise.size
        self.share = 0.1 + 0.8 * rank

    def find(self, xy: Plane) -> Plane:
        """Give the share at points, (point, [x, y])."""
        at = [(self.north - xy[:, 1]) / self.cell_m, (xy[:, 0] - self.west) / self.cell_m]
        return np.asarray(ndimage.map_coordinates(self.share, at, order=1, mode="nearest"))


def _draw_picture(share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw what a street looks like, (row, col, band): sky, fronts and walls, and a road."""
    n = SIDE_PX // CELL_PX
    cells = np.empty((n, n, 3))
    n_sky, n_road = 2, 2
    cells[:n_sky], cells[n - n_road :] = SKY, ROAD
    is_front = rng.uniform(size=(n - n_sky - n_road, n, 1)) < share
    cells[n_sky : n - n_road] = np.where(is_front, FRONT, WALL)
    picture = np.kron(cells, np.ones((CELL_PX, CELL_PX, 1)))
    # Light differs from picture to picture, and tells nothing.
    picture = picture * rng.uniform(0.75, 1.1) + rng.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
