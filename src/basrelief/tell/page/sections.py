"""What each section of the report shows, gathered from the run folder."""

from __future__ import annotations

import base64
import io
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from basrelief.chips.describe import draw_histogram
from basrelief.config import SCHEMES
from basrelief.learn.measures import MEASURES
from basrelief.run import Record, read_json
from basrelief.tell import words
from basrelief.tell.facts import Facts, Panel
from basrelief.tell.page import drawn_maps, figures
from basrelief.tell.words import format_number, name_target

COUNT_NAMES = {
    "pictures": "pictures in the folder",
    "rows": "rows in the table",
    "pictures_without_row": "pictures without a row, left out",
    "rows_without_picture": "rows without a picture, left out",
    "duplicate_rows": "ids given twice in the table, the first kept",
    "matched": "pictures with a row",
    "unreadable": "pictures that could not be read, left out",
    "one_colour": "pictures of one colour, left out",
    "near_one_colour": "pictures of nearly one colour, kept",
    "used": "pictures used",
    "tiles": "surface tiles",
    "terrain_tiles": "terrain tiles",
    "chips": "squares cut (chips)",
    "chips_used": "chips with enough ground for a network",
    "areas": "areas touched",
    "areas_labelled": "areas with a score",
    "areas_used": "areas with a score and enough ground",
}

COLUMN_NAMES = {
    "std": "standard deviation",
    "25%": "lower quartile",
    "50%": "median",
    "75%": "upper quartile",
}

KIND_NAMES = {
    "highest": "Predicted highest",
    "lowest": "Predicted lowest",
    "worst": "Furthest from the truth",
}


def show_data(facts: Facts) -> dict[str, Any]:
    """Gather counts, distributions, the summary table and what was left out."""
    summary = pd.read_csv(facts.run.describe / "summary.csv", index_col=0)
    counts = read_json(facts.run.describe / "counts.json")
    one_colour = facts.run.describe / "one_colour.csv"
    removed = pd.read_csv(one_colour, dtype=str) if one_colour.exists() else pd.DataFrame()
    return {
        "counts": list_counts(counts),
        "panels": _draw_data(facts),
        "columns": [COLUMN_NAMES.get(column, column) for column in summary.columns],
        "summary": [(name_target(str(name)), list(row)) for name, row in summary.iterrows()],
        "daily": show_daily_crimes(facts),
        "one_colour": [] if removed.empty else removed.iloc[:, 0].tolist(),
    }


def list_counts(counts: Record) -> list[tuple[str, int]]:
    """Name what was counted; terrain that nobody gave is not worth a line."""
    return [
        (name, counts[key])
        for key, name in COUNT_NAMES.items()
        if key in counts and (counts[key] or key != "terrain_tiles")
    ]


def _draw_data(facts: Facts) -> list[Panel]:
    areas, panels = facts.samples.areas, []
    if facts.samples.has_places:
        n_used = int(areas["is_used"].sum())
        caption = f"{n_used} areas that count (filled); {len(areas) - n_used} others touched."
        alt = f"Map of {len(areas)} areas, {n_used} of them with enough ground to count."
        panels.append(Panel(drawn_maps.draw_coverage(areas, alt), caption))
    return [*panels, *draw_labels(facts)]


def draw_labels(facts: Facts) -> list[Panel]:
    """Draw how many areas, or pictures, have which score."""
    unit, panels = "areas" if facts.samples.has_places else "pictures", []
    for target in facts.samples.targets:
        values = facts.labels[target].to_numpy(np.float64)
        if not np.isfinite(values).any():
            continue
        low, mean, high = np.nanmin(values), np.nanmean(values), np.nanmax(values)
        alt = (
            f"Histogram of {name_target(target)} over {np.isfinite(values).sum()} {unit}: from "
            f"{format_number(low)} to {format_number(high)}, mean {format_number(mean)}."
        )
        caption = f"{name_target(target).capitalize()}: how many {unit} have which score."
        panels.append(Panel(draw_histogram(values, name_target(target), unit, alt), caption))
    return panels


def show_daily_crimes(facts: Facts) -> dict[str, Any] | None:
    """Draw recorded crimes a day by borough and category; None where no counts were given."""
    path = facts.run.describe / "daily-crimes.csv"
    if not path.exists():
        return None
    daily = pd.read_csv(path, index_col=0).astype(np.float64)
    if not (daily > 0).any(axis=None):
        return None
    categories = [str(column).replace("_", " ") for column in daily.columns]
    caption = (
        f"Recorded crimes a day in {len(daily)} boroughs by category, the most crimes first. "
        "Colours step by ratios, so that rare crimes can be seen beside common ones."
    )
    alt = f"Chart. {caption} Categories: {', '.join(categories)}."
    return {
        "panels": [Panel(figures.draw_daily_crimes(daily, alt), caption)],
        "categories": categories,
        "rows": [(str(name), list(row)) for name, row in daily.iterrows()],
    }


def show_splits(facts: Facts) -> dict[str, Any]:
    """Gather the schemes, what leaks in each, and maps of their folds."""
    assigned = set(facts.folds["scheme"])
    schemes = [scheme for scheme in SCHEMES if scheme in assigned]
    panels = []
    for scheme in schemes:
        drawn = facts.folds[(facts.folds["scheme"] == scheme) & (facts.folds["repeat"] == 0)]
        if not facts.samples.has_places or drawn["unit"].iloc[0] != "area":
            continue
        folds = drawn.set_index("id")["fold"].astype(int)
        held_out = words.name_scheme(scheme, facts.settings)
        held_out = held_out[0].upper() + held_out[1:]
        caption = f"{held_out}: areas of one number are held out together (first repeat)."
        alt = f"Map of {len(folds)} areas in {folds.nunique()} folds: {caption}"
        panels.append(Panel(drawn_maps.draw_folds(facts.samples.areas, folds, alt), caption))
    return {"schemes": schemes, "panels": panels, "leakage": facts.leakage}


def show_models(facts: Facts) -> list[dict[str, Any]]:
    """Gather each recipe's description and the learning curves of its networks."""
    shown = []
    for name in dict.fromkeys(record["recipe"] for record in facts.scores):
        folder = facts.run.models / name
        recipes = sorted(folder.glob("*/*/recipe.toml"))
        recipes += sorted(folder.glob("*/recipe.toml"))
        panels = [
            _draw_history(name, scheme, path)
            for scheme in words.STRICT_FIRST
            if (path := folder / scheme / "0-0" / "history.csv").exists()
        ]
        text = recipes[0].read_text(encoding="utf-8") if recipes else ""
        recipe = tomllib.loads(text)
        entry = {"name": name, "about": str(recipe.get("about", "")), "recipe": text}
        measures = MEASURES if recipe.get("kind") == "statistics" else ()
        shown.append(entry | {"panels": panels, "measures": measures})
    return shown


def _draw_history(recipe: str, scheme: str, path: Path) -> Panel:
    history = pd.read_csv(path)
    best = history.iloc[int(np.nanargmin(history["val_loss"]))]
    told = (
        f"{len(history)} epochs in {history['seconds'].sum() / 60:.1f} min; validation loss is "
        f"lowest, {format_number(best['val_loss'], 3)}, after epoch {best['epoch']:.0f}."
    )
    alt = f"Learning curves of {recipe}, scheme {scheme}: {told}"
    return Panel(figures.draw_curves(history, alt), f"Scheme {scheme}: {told}")


def show_gallery(
    facts: Facts, *, barred: Collection[str] = (), is_named: bool = True
) -> list[dict[str, Any]]:
    """Gather the heat maps of each network recipe, by target and kind.

    Parameters
    ----------
    barred
        Chips that are left out, by ``chip_id``.
    is_named
        Whether captions tell the chip, its prediction and what was observed.
    """
    shown = []
    for path in sorted(facts.run.explain.glob("*/summary.json")):
        records: list[Record] = [r for r in read_json(path) if r["chip_id"] not in barred]
        for target in dict.fromkeys(record["target"] for record in records):
            mine = [record for record in records if record["target"] == target]
            kinds = [
                (
                    title,
                    [
                        _show_heat(record, path.parent, is_named)
                        for record in mine
                        if record["kind"] == k
                    ],
                )
                for k, title in KIND_NAMES.items()
            ]
            told = {key: mine[0][key] for key in ("recipe", "target", "scheme", "layer")}
            shown.append(told | {"kinds": [(title, items) for title, items in kinds if items]})
    return shown


def _show_heat(record: Record, folder: Path, is_named: bool) -> Panel:
    shares = (
        f"{record['share_positive']:.0%} of the heat raises the prediction, "
        f"{record['share_negative']:.0%} lowers it."
    )
    named = (
        f"{record['chip_id']}: predicted\u00a0{format_number(record['y_pred'])}, "
        f"observed\u00a0{format_number(record['y_true'])}"
    )
    caption = named if is_named else shares
    alt = (
        f"Chip{f' {named}' if is_named else ''}. Left the chip, right the same in grey under its "
        f"heat: {shares}"
    )
    return Panel(embed_picture(folder / record["file"], alt), caption)


def embed_picture(path: Path, alt: str) -> str:
    """Put a picture into the page itself, made smaller and without its metadata."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    size = (pixels.shape[1], pixels.shape[0])
    # From bare pixels: a picture that was opened can carry its metadata into what is saved.
    Image.fromarray(pixels).save(buffer, "WEBP", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = alt.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f'<img src="data:image/webp;base64,{data}" alt="{text}" '
        f'width="{size[0]}" height="{size[1]}">'
    )
