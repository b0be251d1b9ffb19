"""The explain stage: heat maps of networks' chips, contribution maps of dense recipes' ground."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import torch
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_bounds

from basrelief.chips.store import Samples, load_samples
from basrelief.config import SCHEMES, Settings
from basrelief.explain.dense_stage import explain_dense
from basrelief.explain.gradcam import map_heat
from basrelief.explain.heat_checks import check_heat, look_at_chips
from basrelief.explain.heat_kinds import list_heat_kinds, list_places
from basrelief.explain.records import Findings
from basrelief.judge.resampling import Draws
from basrelief.learn.encoders import Network, cam_layer
from basrelief.learn.predict import load_network
from basrelief.learn.recipes import NetworkRecipe, read_recipe
from basrelief.run import Run, replacing, write_json
from basrelief.style import LOWERS, RAISES, WHITE, read_rgb

N_EACH = 4
"""Chips of a kind in the gallery."""


@dataclass(frozen=True)
class Explained:
    """One trained network whose test chips are explained."""

    recipe: str
    scheme: str
    network: Network
    samples: Samples


def explain_recipes(settings: Settings, run: Run) -> None:
    """Explain every recipe: galleries of networks' chips, maps of dense recipes' ground.

    Reads ``predictions.parquet`` and models. Writes ``explain/<recipe>/`` anew, of networks
    ``<target>-<kind>-<rank>.png`` (the chip, and the chip under its heat), a GeoTIFF of the
    heat beside it where places are known, and ``summary.json``; of recipes that rest on dense
    features ``contribution-<target>.tif``. ``contributions.json`` lists these, ``tests.json``
    what explanations were tested on, ``curves.json`` how predictions moved in two of these tests,
    ``kinds.json`` what kinds of ground add, or how hot they are; ``areas.parquet`` tells for each
    area what its kinds of ground add.
    """
    samples = load_samples(run)
    predictions = pd.read_parquet(run.predictions)
    written, of_heat = explain_networks(samples, predictions, settings, run)
    of_ground = explain_dense(samples, set(predictions["recipe"]), settings, run)
    written |= {record["recipe"] for record in of_ground.contributions}
    run.explain.mkdir(exist_ok=True)
    more = asdict(of_ground)
    for name, records in asdict(of_heat).items():
        write_json(run.explain / f"{name}.json", records + more[name])
    _remove_others(run.explain, written)


def explain_networks(
    samples: Samples, predictions: pd.DataFrame, settings: Settings, run: Run
) -> tuple[set[str], Findings]:
    """Explain each network recipe's highest, lowest and worst predicted test chips.

    The network is that of the strictest scheme that was run.

    Returns
    -------
    Names of the recipes explained, and what was found.
    """
    written, findings = set(), Findings()
    for name, scheme, folder in find_networks(settings, run):
        is_asked = (predictions["recipe"] == name) & (predictions["scheme"] == scheme)
        tested = predictions[is_asked & (predictions["unit"] == "chip")]
        if tested.empty:
            continue
        network = load_network(folder, settings)
        explained = Explained(name, scheme, network, samples)
        with replacing(run.explain / name) as part:
            part.mkdir()
            records: list[dict[str, Any]] = []
            for target in run.track(samples.targets, f"explain {name}"):
                rows = tested[tested["target"] == target]
                records += explain_target(explained, target, choose_chips(rows), part)
                _test_heat(explained, rows, settings.seed, findings)
            write_json(part / "summary.json", records)
        written.add(name)
        run.say(f"explain: {name} (scheme {scheme}): {len(records)} chips")
    return written, findings


def find_networks(settings: Settings, run: Run) -> list[tuple[str, str, Path]]:
    """Find each finished network: recipe, the last scheme that was run, its folder.

    The schemes run from the one that leaks by construction to whole blocks with a buffer; a
    picture of what a leaking network learnt would flatter it.
    """
    asked = settings.split.schemes or SCHEMES
    schemes = [scheme for scheme in reversed(SCHEMES) if scheme in asked]
    found = []
    for recipe in sorted(run.models.glob("*/")):
        folders = [(scheme, recipe / scheme / "0-0") for scheme in schemes]
        done = [(scheme, path) for scheme, path in folders if _is_trained_network(path)]
        if done:
            found.append((recipe.name, *done[0]))
    return found


def _is_trained_network(folder: Path) -> bool:
    """Whether a folder holds a network whose training has ended."""
    if not (folder / "finished.json").exists():
        return False
    return isinstance(read_recipe(folder / "recipe.toml"), NetworkRecipe)


def choose_chips(tested: pd.DataFrame) -> pd.DataFrame:
    """Choose the highest, the lowest and the worst predicted chips of one target.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet``, one a chip.

    Returns
    -------
    Columns ``id``, ``y_true``, ``y_pred``, ``kind`` ("highest", "lowest", "worst") and
    ``rank``, from 1. With few chips none is both among the highest and among the lowest.
    """
    tested = tested.dropna(subset=["y_pred"]).drop_duplicates("id")
    ordered = tested.sort_values("y_pred", ascending=False, kind="stable")
    n_ends = min(N_EACH, len(ordered) // 2)
    wrong = (tested["y_true"] - tested["y_pred"]).abs().dropna()
    worst = tested.loc[wrong.sort_values(ascending=False, kind="stable").index[:N_EACH]]
    ends = {"highest": ordered[:n_ends], "lowest": ordered[::-1][:n_ends], "worst": worst}
    parts = [
        part[["id", "y_true", "y_pred"]].assign(kind=kind, rank=np.arange(1, len(part) + 1))
        for kind, part in ends.items()
    ]
    return pd.concat(parts, ignore_index=True)


def explain_target(
    explained: Explained, target: str, gallery: pd.DataFrame, folder: Path
) -> list[dict[str, Any]]:
    """Map, draw and describe the chips of one target's gallery."""
    if gallery.empty:
        return []
    samples = explained.samples
    chip_ids = gallery["id"].unique()
    rows = pd.Index(samples.chips["chip_id"]).get_indexer(chip_ids).astype(np.int_)
    heats = dict(zip(chip_ids, _map_chips(explained, rows, target), strict=True))
    # One scale for all of them, so that a faint map looks faint.
    scale = float(np.nanquantile(np.abs(np.stack(list(heats.values()))), 0.99))
    row_of = dict(zip(chip_ids, rows, strict=True))
    records = []
    for item in gallery.to_dict("records"):
        heat, row = heats[item["id"]], int(row_of[item["id"]])
        name = f"{target}-{item['kind']}-{item['rank']}"
        draw_heat(_read_shaded(samples, row), heat, scale).save(folder / f"{name}.png")
        if samples.has_places:
            write_heat(heat, samples, row, folder / f"{name}.tif")
        records.append(
            {
                "recipe": explained.recipe,
                "target": target,
                "scheme": explained.scheme,
                "layer": _name_layer(explained.network),
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
    """Give the largest size of a heat map and the shares that raise and lower.

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
    """Write a heat map as a GeoTIFF on its chip's ground; NaN is nodata."""
    chip = samples.chips.iloc[row]
    half_m = samples.size_px * samples.resolution_m / 2
    east, north = float(chip["easting"]), float(chip["northing"])
    n_rows, n_cols = heat.shape
    ground = (east - half_m, north - half_m, east + half_m, north + half_m)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=n_rows,
        width=n_cols,
        count=1,
        dtype="float32",
        crs=samples.chips.crs,
        transform=from_bounds(*ground, n_cols, n_rows),
        nodata=np.nan,
        compress="deflate",
        predictor=3,
    ) as raster:
        raster.write(heat.astype(np.float32), 1)


def _test_heat(explained: Explained, tested: pd.DataFrame, seed: int, findings: Findings) -> None:
    """Test the heat of one target's test chips, and tell the kinds of ground that it lies on."""
    network, samples = explained.network, explained.samples
    looked = look_at_chips(network, samples, tested)
    if looked is None:
        return
    key = {"recipe": explained.recipe}
    tests, curves = check_heat(network, looked, seed)
    ground, places = list_places(samples, looked.rows, looked.heat.shape[1:])
    kinds = list_heat_kinds(looked.heat, ground, places, Draws(np.random.default_rng(seed)))
    findings.tests.extend(key | record for record in tests)
    findings.curves.extend(key | record for record in curves)
    findings.kinds.extend(key | {"target": looked.target} | record for record in kinds)


def _map_chips(explained: Explained, rows: NDArray[np.int_], target: str) -> NDArray[np.float32]:
    """Map the heat of chips, (chip, row, col), with no heat where there is no ground."""
    samples, network = explained.samples, explained.network
    bands = samples.read_bands(rows, network.plan.bands)
    device = next(network.parameters()).device
    chips = torch.as_tensor(bands, dtype=torch.float32, device=device)
    heat = map_heat(network, cam_layer(network), chips, network.plan.targets.index(target))
    if samples.kind == "heights":
        heat[np.isnan(samples.read_heights(rows)[:, 0])] = np.nan
    return heat


def _read_shaded(samples: Samples, row: int) -> NDArray[np.uint8]:
    """Read one chip as a person sees it, (3, row, col), whatever the network saw."""
    shaded: NDArray[np.uint8] = samples.read_bands(np.array([row]), "shaded")[0]
    return shaded


def _name_layer(network: Network) -> str:
    layer = cam_layer(network)
    return str(next(name for name, module in network.named_modules() if module is layer))


def _remove_others(folder: Path, written: set[str]) -> None:
    """Remove the explanations of recipes that are no longer in the run."""
    for old in folder.glob("*/"):
        if old.name not in written:
            shutil.rmtree(old)
