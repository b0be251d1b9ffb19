"""The describe stage: what the data are, before anything is learnt."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.run import Run, read_json, replacing, write_json


def describe_chips(settings: Settings, run: Run) -> None:
    """Summarise the targets over the rows used, and say what was removed.

    Writes ``summary.csv`` (one row a target), ``counts.json``, ``one_colour.csv`` and
    ``near_one_colour.csv`` (pictures), and ``distribution-<target>.svg``.
    """
    samples = load_samples(run)
    rows = rows_used(samples)
    with replacing(run.describe) as part:
        part.mkdir()
        summarise(rows[list(samples.targets)]).to_csv(part / "summary.csv")
        write_json(part / "counts.json", read_json(run.chips / "counts.json"))
        if samples.kind == "pictures":
            for name in ("one_colour.csv", "near_one_colour.csv"):
                (part / name).write_bytes((run.chips / name).read_bytes())
        for target in samples.targets:
            draw_distribution(rows[target], target, part / f"distribution-{target}.svg")
    unit = "pictures" if samples.kind == "pictures" else "areas"
    for target in samples.targets:
        run.say(
            f"describe: {target} over {rows[target].count()} {unit}: "
            f"mean {rows[target].mean():.3f}, standard deviation {rows[target].std():.3f}"
        )


def rows_used(samples: Samples) -> pd.DataFrame:
    """Give the rows that carry a label of their own: pictures, or the areas of rasters.

    Raises
    ------
    InputError
        If no row is left, or no row has a label.
    """
    table = samples.chips if samples.kind == "pictures" else samples.areas
    rows = table[table["is_used"].astype(bool)]
    if not rows[list(samples.targets)].notna().any(axis=None):
        covered = samples.areas["ground_covered"].max()
        raise InputError(
            f"no area has enough ground: chips.min_area_coverage asks for more than the best, "
            f"which has {covered:.0%}. Lower it, or give rasters of more ground."
        )
    return rows


def summarise(labels: pd.DataFrame) -> pd.DataFrame:
    """Describe each target as pandas does: count, mean, std, min, quartiles, max."""
    summary: pd.DataFrame = labels.describe().T.rename_axis("target")
    return summary


def draw_distribution(labels: pd.Series[float], target: str, path: Path) -> None:
    """Draw a histogram of one target with its mean, as an SVG file."""
    values = labels.dropna().to_numpy(np.float64)
    figure = Figure(figsize=(6.0, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=min(40, max(8, int(np.sqrt(len(values))) * 2)), color="#3b6fb6")
    axes.axvline(values.mean(), color="#b35806", linewidth=2)
    axes.annotate(
        f"mean {values.mean():.3f}",
        (values.mean(), 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -10),
        textcoords="offset points",
        color="#b35806",
    )
    axes.set_xlabel(target.replace("_", " "))
    axes.set_ylabel("rows")
    axes.spines[["top", "right"]].set_visible(False)
    # A fixed salt and no date: the same data give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "basrelief"}):
        figure.savefig(path, metadata={"Date": None})
