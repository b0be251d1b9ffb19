"""The describe stage: what the data are, before anything is learnt."""

from __future__ import annotations

import re
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
    ``near_one_colour.csv`` (pictures), ``distribution-<target>.svg`` and, where counts of
    crime are given, ``daily-crimes.csv`` and ``daily-crimes.svg``.
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
            draw_distribution(rows[target], target, part / f"distribution-{name_file(target)}.svg")
        if (run.chips / "crime.parquet").exists():
            daily = average_daily_crimes(pd.read_parquet(run.chips / "crime.parquet"))
            daily.to_csv(part / "daily-crimes.csv", float_format="%.4f")
            draw_daily_crimes(daily, part / "daily-crimes.svg")
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


def average_daily_crimes(counts: pd.DataFrame) -> pd.DataFrame:
    """Average crimes a day, a row a borough, a column a category, the most crimes first.

    Parameters
    ----------
    counts
        ``borough, category, n_crimes, n_days``, as the chips stage writes them.

    Examples
    --------
    >>> counts = pd.DataFrame({"borough": ["A", "B"], "category": "theft", "n_days": 365})
    >>> average_daily_crimes(counts.assign(n_crimes=[365.0, 730.0]))["theft"].tolist()
    [2.0, 1.0]
    """
    daily = counts.assign(daily=counts["n_crimes"] / counts["n_days"])
    table = daily.pivot_table("daily", "borough", "category", dropna=False).rename_axis(
        columns=None
    )
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    most = table.sum().sort_values(ascending=False, kind="stable").index
    return table.loc[order, most]


def draw_daily_crimes(daily: pd.DataFrame, path: Path) -> None:
    """Draw average daily crimes by borough and category, as an SVG file.

    A panel a category with its own scale: bars of bicycle theft would vanish beside violence.
    """
    height = 1.0 + 0.16 * len(daily)
    figure = Figure(figsize=(1.4 + 1.45 * daily.shape[1], height), layout="constrained")
    panels = figure.subplots(1, daily.shape[1], sharey=True, squeeze=False)[0]
    for axes, category in zip(panels, daily.columns, strict=True):
        axes.barh(list(daily.index), daily[category].to_numpy(np.float64), color="#3b6fb6")
        axes.set_title(category.replace("_", " "), fontsize=9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    panels[0].margins(y=0.01)
    figure.supxlabel("recorded crimes a day", fontsize=9)
    save_figure(figure, path)


def name_file(target: str) -> str:
    """Make a part of a file name from a target that may be called anything.

    Examples
    --------
    >>> name_file("rate per 1,000 / year")
    'rate_per_1_000_year'
    """
    return re.sub(r"[^\w.-]+", "_", target).replace("__", "_").strip("_")


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
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write an SVG file; a fixed salt and no date, so that the same data give the same bytes."""
    with mpl.rc_context({"svg.hashsalt": "basrelief"}):
        figure.savefig(path, metadata={"Date": None})
