"""The describe stage: what the data are, before anything is learnt."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.drawing import finish_figure, start_figure
from basrelief.names import guard_table, name_file
from basrelief.run import Run, read_json, replacing, write_json
from basrelief.style import FIRST, NOTE, PAPER, SECOND, SMALL, STYLE


def describe_chips(settings: Settings, run: Run) -> None:
    """Summarise the targets over the rows used, and say what was removed.

    Writes ``summary.csv`` (one row a target), ``counts.json``, ``notes.json``, ``one_colour.csv``
    and ``near_one_colour.csv`` (pictures), ``distribution-<target>.svg`` and, where counts of
    crime are given, ``daily-crimes.csv`` and ``daily-crimes.svg``.
    """
    samples = load_samples(run)
    # Of chips that overlap one area the label would count as often as there are chips.
    rows = rows_used(samples)
    unit = "pictures" if samples.kind == "pictures" else "areas"
    with replacing(run.describe) as part:
        part.mkdir()
        summary = rows[list(samples.targets)].describe().T.rename_axis("target")
        guard_table(summary).to_csv(part / "summary.csv")
        write_json(part / "counts.json", read_json(run.chips / "counts.json"))
        # Chips that a test or a library user laid out by hand have none.
        notes = run.chips / "notes.json"
        write_json(part / "notes.json", read_json(notes) if notes.exists() else [])
        if samples.kind == "pictures":
            for name in ("one_colour.csv", "near_one_colour.csv"):
                (part / name).write_bytes((run.chips / name).read_bytes())
        for target in samples.targets:
            drawn = _draw_distribution(rows[target], target, unit)
            figure = part / f"distribution-{name_file(target)}.svg"
            figure.write_text(drawn, encoding="utf-8")
        if (run.chips / "crime.parquet").exists():
            daily = average_daily_crimes(pd.read_parquet(run.chips / "crime.parquet"))
            guard_table(daily).to_csv(part / "daily-crimes.csv", float_format="%.4f")
            drawn = draw_daily_crimes(daily)
            (part / "daily-crimes.svg").write_text(drawn, encoding="utf-8")
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
    # Stable, so that boroughs with the same sum keep the alphabet.
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    most = table.sum().sort_values(ascending=False, kind="stable").index
    return table.loc[order, most]


def draw_daily_crimes(daily: pd.DataFrame) -> str:
    """Draw average daily crimes by borough and category, as an SVG that stands alone.

    A panel a category with its own scale: bars of bicycle theft would vanish beside violence.
    """
    with mpl.rc_context(STYLE | {"font.size": SMALL}):
        size = (1.4 + 1.45 * daily.shape[1], 1.0 + 0.19 * len(daily))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, daily.shape[1], sharey=True, squeeze=False)[0]
        for axes, category in zip(panels, daily.columns, strict=True):
            axes.barh(list(daily.index), daily[category].to_numpy(np.float64), color=FIRST)
            axes.set_title(fill(category.replace("_", " "), 16), fontsize=NOTE)
        panels[0].invert_yaxis()
        panels[0].margins(y=0.01)
        figure.supxlabel("recorded crimes a day", fontsize=NOTE)
        categories = ", ".join(str(category) for category in daily.columns)
        alt = f"Bars: recorded crimes a day in {len(daily)} boroughs, by category: {categories}."
        return finish_figure(figure, alt, is_alone=True)


def draw_histogram(
    values: NDArray[np.floating[Any]], label: str, counted: str, alt: str, *, is_alone: bool = False
) -> str:
    """Draw how often which value occurs, with the mean marked, as SVG.

    Parameters
    ----------
    values : (n,)
        What is not finite is left out.
    counted
        What has a value: areas, or pictures.
    is_alone
        Whether it is a file of its own, and no part of a page.
    """
    values = values[np.isfinite(values)]
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(2.3)
        # The square root is a usual choice; under eight bars two humps look like one.
        n_bins = int(np.clip(np.sqrt(len(values)) * 1.5, 8, 40))
        axes.hist(values, bins=n_bins, color=FIRST, edgecolor=PAPER, linewidth=0.5)
        # A margin of paper: the two colours are as bright as each other.
        axes.axvline(values.mean(), color=PAPER, linewidth=4.5)
        axes.axvline(values.mean(), color=SECOND, linewidth=1.8)
        axes.margins(y=0.15)
        axes.annotate(
            f"mean {values.mean():.2f}".replace("-", "−"),
            (values.mean(), 0.99),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            color=SECOND,
            va="top",
        )
        axes.set_xlabel(label)
        axes.set_ylabel(counted)
        return finish_figure(figure, alt, is_alone=is_alone)


def _draw_distribution(labels: pd.Series[float], target: str, unit: str) -> str:
    """Draw the histogram of one target as a file of its own."""
    name, values = target.replace("_", " "), labels.to_numpy(np.float64)
    alt = f"Histogram of {name} over {labels.count()} {unit}, mean {labels.mean():.3f}."
    return draw_histogram(values, name, unit, alt, is_alone=True)
