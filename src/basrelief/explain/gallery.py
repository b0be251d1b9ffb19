"""Pictures of networks' chips under their heat: the highest, lowest and worst predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from PIL import Image

from basrelief.chips.store import Samples
from basrelief.explain.chip_samples import map_rows
from basrelief.learn.encoders import Network, cam_layer
from basrelief.names import name_file
from basrelief.run import Record
from basrelief.style import LOWERS, RAISES, WHITE, read_rgb

N_EACH = 4
"""Chips of a kind in the gallery."""

N_SHARED = 2
"""Chips of either end of what was observed, which every network of a scheme is shown."""


def choose_chips(tested: pd.DataFrame) -> pd.DataFrame:
    """Choose the highest, lowest and worst predicted chips of one target, and its extremes.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet``, one a chip.

    Returns
    -------
    Columns ``id``, ``y_true``, ``y_pred``, ``kind`` ("highest", "lowest", "worst" by what was
    predicted; "most", "least" by what was observed) and ``rank``, from 1. With few chips none is
    both among the highest and among the lowest.
    """
    tested = tested.dropna(subset=["y_pred"]).drop_duplicates("id")
    # Stable sorts here and below: equal predictions must not swap from machine to machine.
    ordered = tested.sort_values("y_pred", ascending=False, kind="stable")
    n_ends = min(N_EACH, len(ordered) // 2)
    wrong = (tested["y_true"] - tested["y_pred"]).abs().dropna()
    worst = tested.loc[wrong.sort_values(ascending=False, kind="stable").index[:N_EACH]]
    # By the labels and then by name: the same chips for every network that was tested on them.
    observed = tested.dropna(subset=["y_true"]).sort_values(["y_true", "id"], ascending=False)
    n_shared = min(N_SHARED, len(observed) // 2)
    ends = {"highest": ordered[:n_ends], "lowest": ordered[::-1][:n_ends], "worst": worst}
    ends |= {"most": observed[:n_shared], "least": observed[::-1][:n_shared]}
    parts = [
        part[["id", "y_true", "y_pred"]].assign(kind=kind, rank=np.arange(1, len(part) + 1))
        for kind, part in ends.items()
    ]
    return pd.concat(parts, ignore_index=True)


def draw_gallery(
    network: Network, samples: Samples, tested: pd.DataFrame, target: str, folder: Path
) -> list[Record]:
    """Map, draw and describe the highest, lowest and worst predicted chips of one target.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet`` of the target, one a chip.

    Returns
    -------
    Records of ``summary.json``, one a picture, without recipe and scheme.
    """
    gallery = choose_chips(tested)
    if gallery.empty:
        return []
    # A chip may be both highest and worst: it is mapped once.
    chip_ids = gallery["id"].unique()
    rows = pd.Index(samples.chips["chip_id"]).get_indexer(chip_ids).astype(np.int_)
    heats = dict(zip(chip_ids, _map_ground(network, samples, rows, target), strict=True))
    # One scale for all of them, so that a faint map looks faint.
    scale = float(np.nanquantile(np.abs(np.stack(list(heats.values()))), 0.99))
    row_of = dict(zip(chip_ids, rows, strict=True))
    records = []
    for item in gallery.to_dict("records"):
        heat, row = heats[item["id"]], int(row_of[item["id"]])
        name = f"{name_file(target)}-{item['kind']}-{item['rank']}"
        draw_heat(_read_shaded(samples, row), heat, scale).save(folder / f"{name}.png")
        if samples.has_places:
            write_heat(heat, samples, row, folder / f"{name}.tif")
        records.append(
            {
                "target": target,
                "layer": _name_layer(network),
                "kind": item["kind"],
                "rank": int(item["rank"]),
                "chip_id": str(item["id"]),
                "y_true": None if np.isnan(item["y_true"]) else float(item["y_true"]),
                "y_pred": float(item["y_pred"]),
                "file": f"{name}.png",
                "map_file": f"{name}.tif" if samples.has_places else None,
                "scale": scale,
                **describe_heat(heat),
            }
        )
    return records


def describe_heat(heat: NDArray[np.float32]) -> dict[str, float]:
    """Give the largest size of a heat map, (row, col), and the shares that raise and lower.

    Examples
    --------
    >>> describe_heat(np.array([[3.0, -1.0]], dtype=np.float32))
    {'max_abs': 3.0, 'share_positive': 0.75, 'share_negative': 0.25}
    """
    total = float(np.nansum(np.abs(heat)))
    raising = float(np.nansum(np.clip(heat, 0, None))) / total if total else 0.0
    lowering = float(np.nansum(np.clip(-heat, 0, None))) / total if total else 0.0
    largest = float(np.nanmax(np.abs(heat))) if np.isfinite(heat).any() else 0.0
    return {"max_abs": largest, "share_positive": raising, "share_negative": lowering}


def draw_heat(shaded: NDArray[np.uint8], heat: NDArray[np.float32], scale: float) -> Image.Image:
    """Draw a chip beside itself in grey under its heat, orange raising and purple lowering.

    Parameters
    ----------
    shaded : (3, row, col)
        Red, green, blue.
    heat : (row, col)
        NaN is drawn as no heat.
    scale
        Heat that is drawn at full strength.
    """
    picture = shaded.transpose(1, 2, 0).astype(np.float32)  # (row, col, colour)
    # Lifted from black and dimmed from white, so that both colours show on all of it.
    grey = picture.mean(axis=2, keepdims=True) * 0.7 + 70
    strength = np.clip(np.nan_to_num(np.abs(heat)) / scale, 0, 1) if scale > 0 else heat * 0
    opacity = 0.85 * strength[..., None]
    is_raising = np.nan_to_num(heat)[..., None] > 0
    colour = np.where(is_raising, read_rgb(RAISES), read_rgb(LOWERS))
    under_heat = np.clip(grey, 0, 255) * (1 - opacity) + colour * opacity
    n_rows = picture.shape[0]
    gap = np.full((n_rows, max(2, n_rows // 32), 3), read_rgb(WHITE), dtype=np.float32)
    both = np.concatenate([picture, gap, under_heat], axis=1)
    return Image.fromarray(both.round().astype(np.uint8))


def write_heat(heat: NDArray[np.float32], samples: Samples, row: int, path: Path) -> None:
    """Write a heat map, (row, col), as a GeoTIFF on its chip's ground; NaN is nodata."""
    (chip,) = samples.squares(np.array([row]))
    n_rows, n_cols = heat.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=n_rows,
        width=n_cols,
        count=1,
        dtype="float32",
        crs=samples.chips.crs,
        transform=chip.transform,
        nodata=np.nan,
        compress="deflate",
        predictor=3,
    ) as raster:
        raster.write(heat.astype(np.float32), 1)


def _map_ground(
    network: Network, samples: Samples, rows: NDArray[np.int_], target: str
) -> NDArray[np.float32]:
    """Map the heat of chips, (chip, row, col), with no heat where there is no ground."""
    _, heat = map_rows(network, samples, rows, target)
    if samples.kind == "heights":
        # Nodata is 0 to a network, so heat can lie on it: it must not be shown as found on ground.
        heat[np.isnan(samples.read_heights(rows)[:, 0])] = np.nan
    return heat


def _read_shaded(samples: Samples, row: int) -> NDArray[np.uint8]:
    """Read one chip as a person sees it, (3, row, col), whatever the network saw."""
    shaded: NDArray[np.uint8] = samples.read_bands(np.array([row]), "shaded")[0]
    return shaded


def _name_layer(network: Network) -> str:
    layer = cam_layer(network)
    return str(next(name for name, module in network.named_modules() if module is layer))
