"""The describe stage: what the data are, before anything is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import gaussian_kde

from basrelief.chips.removal import REMOVAL
from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.drawing import finish_figure, start_figure
from basrelief.names import guard_table, name_file
from basrelief.run import Run, read_json, replacing, write_json
from basrelief.style import FIRST, INK, PAPER, SECOND, SEQUENTIAL, SMALL, STYLE

ONE_BAND = "one-band.png"
"""A picture beside itself as one band."""


def describe_chips(settings: Settings, run: Run) -> None:
    """Summarise the targets over the rows used, and say what was removed.

    Writes ``summary.csv`` (one row a target), ``counts.json``, ``notes.json``,
    ``distribution-<target>.svg``; of pictures ``one_colour.csv``, ``near_one_colour.csv``,
    ``removal.csv`` and ``one-band.png``; and where counts of crime are given
    ``daily-crimes.csv`` and ``daily-crimes.svg``.
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
            _describe_pictures(samples, run, part)
        for target in samples.targets:
            drawn = _draw_distribution(rows[target], target, unit)
            figure = part / f"distribution-{name_file(target)}.svg"
            figure.write_text(drawn, encoding="utf-8")
        if (run.chips / "crime.parquet").exists():
            daily = average_daily_crimes(pd.read_parquet(run.chips / "crime.parquet"))
            guard_table(daily).to_csv(part / "daily-crimes.csv", float_format="%.4f")
            alt = f"Recorded crimes a day in {len(daily)} boroughs, by category."
            drawn = draw_daily_crimes(daily, alt, is_alone=True)
            (part / "daily-crimes.svg").write_text(drawn, encoding="utf-8")
    for target in samples.targets:
        run.say(
            f"describe: {target} over {rows[target].count()} {unit}: "
            f"mean {rows[target].mean():.3f}, standard deviation {rows[target].std():.3f}"
        )


def _describe_pictures(samples: Samples, run: Run, part: Path) -> None:
    """Write which pictures were removed, what that changed, and one picture as one band."""
    for name in ("one_colour.csv", "near_one_colour.csv", REMOVAL):
        # Of a refit for the public nobody is told what the labels of all pictures were.
        if (run.chips / name).exists():
            (part / name).write_bytes((run.chips / name).read_bytes())
    draw_one_band(samples.read_bands(np.array([0]), "shaded")[0]).save(part / ONE_BAND)


def draw_one_band(picture: NDArray[np.uint8]) -> Image.Image:
    """Draw a picture beside its brightness alone, as one band in a colour map from dark to light.

    A network of one band would see the second; those that are pretrained see three.

    Parameters
    ----------
    picture : (3, row, col)
        Red, green, blue.
    """
    # As the eye weighs colours for brightness (ITU-R BT.601), which is how pictures become grey.
    band = np.tensordot(np.array([0.299, 0.587, 0.114]), picture.astype(np.float64), axes=1)
    colours = mpl.colormaps[SEQUENTIAL](band / 255.0)[..., :3]  # (row, col, colour)
    mapped = (255 * colours).round().astype(np.uint8)
    return Image.fromarray(np.concatenate([picture.transpose(1, 2, 0), mapped], axis=1))


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
        if samples.kind == "tables":
            raise InputError("no area has a label: the table of labels is blank for all of them.")
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


def draw_daily_crimes(daily: pd.DataFrame, alt: str, *, is_alone: bool = False) -> str:
    """Draw recorded crimes a day: a row a borough, a column a category.

    Parameters
    ----------
    daily
        As ``describe/daily-crimes.csv``, boroughs as the index.
    is_alone
        Whether it is a file of its own, and no part of a page.
    """
    # Days without a crime have no place on a scale of ratios.
    values = np.ma.masked_less_equal(daily.to_numpy(np.float64), 0.0)
    values = np.ma.masked_invalid(values)
    style = STYLE | {"font.size": SMALL, "axes.spines.left": False, "axes.spines.bottom": False}
    with mpl.rc_context(style):
        figure, axes = start_figure(1.9 + 0.17 * len(daily))
        # On a scale of ratios: bicycle theft would vanish beside violence.
        norm = LogNorm(values.min(), values.max())
        mesh = axes.pcolormesh(values, norm=norm, cmap=SEQUENTIAL, edgecolors=PAPER, linewidth=0.6)
        axes.invert_yaxis()
        axes.set_yticks(np.arange(len(daily)) + 0.5, [str(name) for name in daily.index])
        names = [str(column).replace("_", " ") for column in daily.columns]
        axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=55, ha="left")
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=2)
        bar = figure.colorbar(mesh, ax=axes, location="bottom", shrink=0.9, aspect=30, pad=0.02)
        bar.set_label("recorded crimes a day")
        bar.outline.set_visible(False)
        bar.ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        # The labels of 1, 2 and 5 leave no room for others.
        bar.ax.xaxis.set_minor_locator(NullLocator())
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.collections[0].set_rasterized(True)
        return finish_figure(figure, alt, is_alone=is_alone)


def draw_histogram(
    values: NDArray[np.floating[Any]], label: str, counted: str, alt: str, *, is_alone: bool = False
) -> str:
    """Draw how often which value occurs, with a smooth density and the mean marked, as SVG.

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
        _draw_density(axes, values, n_bins)
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


def _draw_density(axes: Axes, values: NDArray[np.floating[Any]], n_bins: int) -> None:
    """Draw over a histogram what a kernel density estimate would have its bars be."""
    # Equal values have no density, and one alone has no width.
    if len(values) < 2 or np.ptp(values) == 0:
        return
    places, density = estimate_density(values)
    # In the bars' unit: how many of all values a bar's width would hold.
    width = float(np.ptp(values)) / n_bins
    line = density * len(values) * width
    axes.plot(places, line, color=PAPER, linewidth=4)
    axes.plot(places, line, color=INK, linewidth=1.4)


def estimate_density(
    values: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate a density by Gaussian kernels of Scott's width, over the range of the values.

    Parameters
    ----------
    values : (n,)
        Finite, and not all equal.

    Returns
    -------
    Places and densities, (200,) each.

    References
    ----------
    Scott (1992), Multivariate Density Estimation, Wiley.
    """
    places = np.linspace(values.min(), values.max(), 200)
    return places, gaussian_kde(values)(places)


def _draw_distribution(labels: pd.Series[float], target: str, unit: str) -> str:
    """Draw the histogram of one target as a file of its own."""
    name, values = target.replace("_", " "), labels.to_numpy(np.float64)
    alt = f"Histogram of {name} over {labels.count()} {unit}, mean {labels.mean():.3f}."
    return draw_histogram(values, name, unit, alt, is_alone=True)
