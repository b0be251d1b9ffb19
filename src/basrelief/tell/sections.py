"""What each section of the report shows, gathered from the run folder."""

from __future__ import annotations

import base64
import io
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from basrelief.chips.store import Samples
from basrelief.config import SCHEMES, Settings
from basrelief.run import Run, read_json
from basrelief.tell import figures, words
from basrelief.tell.words import Finding, Record, format_number, name_target

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

ENDS = (0.02, 0.98)
"""Quantiles that a map's colours end at, so that one odd area does not flatten the others."""

MAP_SHARE = 0.5
"""Predictions of fewer areas than this share of those used make no map."""


@dataclass(frozen=True)
class Facts:
    """What the stages before wrote, as far as the report tells it."""

    settings: Settings
    run: Run
    samples: Samples
    scores: list[Record]
    predictions: pd.DataFrame
    folds: pd.DataFrame
    leakage: list[Record]

    @property
    def labels(self) -> pd.DataFrame:
        """Rows with a label of their own: pictures, or the areas of rasters."""
        table = self.samples.areas if self.samples.has_places else self.samples.chips
        used: pd.DataFrame = table[table["is_used"].astype(bool)]
        return used


@dataclass(frozen=True)
class Panel:
    """A figure and what it says."""

    picture: str
    """Inline SVG, or an ``img`` element."""

    caption: str


@dataclass(frozen=True)
class Axis:
    """The axis of the chart of skills; far below zero is cut off and marked."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Give a value's place, in per cent of the axis from its left end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


def choose_axis(findings: Sequence[Finding]) -> Axis:
    """Choose the axis that shows all skills and intervals from −1 up.

    Examples
    --------
    >>> choose_axis([])
    Axis(low=-0.2, high=0.4)
    """
    values = [
        value
        for finding in findings
        for key in ("skill", "skill_low", "skill_high")
        if (value := finding.record[key]) is not None
    ]
    low = np.floor(10 * min([-0.2, *values])) / 10
    high = np.ceil(10 * max([0.4, *values])) / 10
    return Axis(float(max(low, -1.0)), float(min(high, 1.0)))


def show_data(facts: Facts) -> dict[str, Any]:
    """Gather counts, distributions, the summary table and what was left out."""
    summary = pd.read_csv(facts.run.describe / "summary.csv", index_col=0)
    counts = read_json(facts.run.describe / "counts.json")
    one_colour = facts.run.describe / "one_colour.csv"
    removed = pd.read_csv(one_colour, dtype=str) if one_colour.exists() else pd.DataFrame()
    return {
        "counts": [(name, counts[key]) for key, name in COUNT_NAMES.items() if key in counts],
        "panels": _draw_data(facts),
        "columns": [COLUMN_NAMES.get(column, column) for column in summary.columns],
        "summary": [(name_target(str(name)), list(row)) for name, row in summary.iterrows()],
        "one_colour": [] if removed.empty else removed.iloc[:, 0].tolist(),
    }


def _draw_data(facts: Facts) -> list[Panel]:
    panels = []
    areas, unit = facts.samples.areas, "areas" if facts.samples.has_places else "pictures"
    if facts.samples.has_places:
        n_used = int(areas["is_used"].sum())
        caption = f"{n_used} areas that count (filled); {len(areas) - n_used} others touched."
        alt = f"Map of {len(areas)} areas, {n_used} of them with enough ground to count."
        panels.append(Panel(figures.draw_coverage(areas, alt), caption))
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
        panels.append(Panel(figures.draw_histogram(values, name_target(target), alt), caption))
    return panels


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
        held_out = words.name_scheme(scheme, facts.settings).capitalize()
        caption = f"{held_out}: areas of one number are held out together (first repeat)."
        alt = f"Map of {len(folds)} areas in {folds.nunique()} folds: {caption}"
        panels.append(Panel(figures.draw_folds(facts.samples.areas, folds, alt), caption))
    return {"schemes": schemes, "panels": panels, "leakage": facts.leakage}


def show_models(facts: Facts) -> list[dict[str, Any]]:
    """Gather each recipe's description and the learning curves of its networks."""
    shown = []
    for name in dict.fromkeys(record["recipe"] for record in facts.scores):
        folder = facts.run.models / name
        recipes = sorted(folder.glob("*/*/recipe.toml"))
        panels = [
            _draw_history(name, scheme, path)
            for scheme in words.STRICT_FIRST
            if (path := folder / scheme / "0-0" / "history.csv").exists()
        ]
        text = recipes[0].read_text(encoding="utf-8") if recipes else ""
        about = str(tomllib.loads(text).get("about", ""))
        shown.append({"name": name, "about": about, "recipe": text, "panels": panels})
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


def show_results(facts: Facts) -> list[dict[str, Any]]:
    """Gather, target by target, all findings and the figures of the strictest scheme."""
    schemes = [s for s in words.STRICT_FIRST if s in {r["scheme"] for r in facts.scores}]
    findings = [f for scheme in schemes for f in words.find_findings(facts.scores, scheme)]
    shown = []
    for target in facts.samples.targets:
        mine = [finding for finding in findings if finding.target == target]
        strict = [finding for finding in mine if finding.scheme == schemes[0]]
        panels = [panel for finding in strict for panel in _draw_finding(facts, finding)]
        records = [record for record in facts.scores if record["target"] == target]
        shown.append({"target": target, "findings": mine, "panels": panels, "records": records})
    return shown


def _draw_finding(facts: Facts, finding: Finding) -> list[Panel]:
    """Draw one recipe's predictions against the truth and, where they cover it, as a map."""
    table = facts.predictions
    wanted = {
        "recipe": finding.recipe,
        "target": finding.target,
        "scheme": finding.scheme,
        "unit": finding.record["unit"],
        "repeat": 0,
    }
    is_asked = np.logical_and.reduce([table[key] == value for key, value in wanted.items()])
    tested = table[is_asked].dropna(subset=["y_true", "y_pred"])
    if tested.empty:
        return []
    label, unit = name_target(finding.target), finding.record["unit"]
    told = f"{finding.recipe}: {len(tested)} held-out {unit}s, {finding.words}."
    alt = f"Predicted against observed {label} by {told}"
    scatter = Panel(figures.draw_scatter(tested, label, alt), told)
    n_used = int(facts.samples.areas["is_used"].sum())
    if facts.samples.has_places and unit == "area" and len(tested) >= MAP_SHARE * n_used:
        return [*_draw_maps(facts, finding, tested), scatter]
    return [scatter]


def _draw_maps(facts: Facts, finding: Finding, tested: pd.DataFrame) -> list[Panel]:
    """Draw observed and predicted in one scale, so that the eye compares colours."""
    by_area = tested.set_index("id")
    both = by_area[["y_true", "y_pred"]].to_numpy(np.float64)
    low, high = (float(value) for value in np.nanquantile(both, ENDS))
    label = name_target(finding.target)
    panels = []
    for column, word in (("y_true", "Observed"), ("y_pred", f"Predicted by {finding.recipe}:")):
        values = by_area[column]
        caption = f"{word} {label}, areas as published."
        if column == "y_pred":
            caption = f"{word} {label}, each area while it was held out; same colours."
        alt = (
            f"Map. {caption} From {format_number(values.min())} to "
            f"{format_number(values.max())} over {len(values)} areas."
        )
        scale = figures.Scale(label, low, high)
        panels.append(Panel(figures.draw_map(facts.samples.areas, values, scale, alt), caption))
    return panels


def show_gallery(facts: Facts) -> list[dict[str, Any]]:
    """Gather the heat maps of each network recipe, by target and kind."""
    shown = []
    for path in sorted(facts.run.explain.glob("*/summary.json")):
        records: list[Record] = read_json(path)
        for target in dict.fromkeys(record["target"] for record in records):
            mine = [record for record in records if record["target"] == target]
            kinds = [
                (title, [_show_heat(record, path.parent) for record in mine if record["kind"] == k])
                for k, title in KIND_NAMES.items()
            ]
            first = mine[0]
            shown.append({**first, "kinds": [(title, items) for title, items in kinds if items]})
    return shown


def _show_heat(record: Record, folder: Path) -> Panel:
    caption = (
        f"{record['chip_id']}: predicted\u00a0{format_number(record['y_pred'])}, "
        f"observed\u00a0{format_number(record['y_true'])}"
    )
    alt = (
        f"Chip {caption}. Left the chip, right the same in grey under its heat: "
        f"{record['share_positive']:.0%} of the heat raises the prediction, "
        f"{record['share_negative']:.0%} lowers it."
    )
    return Panel(embed_picture(folder / record["file"], alt), caption)


def embed_picture(path: Path, alt: str) -> str:
    """Put a picture into the page itself, made smaller and without its metadata."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        size = picture.size
        picture.convert("RGB").save(buffer, "WEBP", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = alt.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f'<img src="data:image/webp;base64,{data}" alt="{text}" '
        f'width="{size[0]}" height="{size[1]}">'
    )
