"""Charts of the report, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from basrelief.drawing import MAX_SHAPES, finish_figure, start_figure
from basrelief.style import (
    FAINT,
    FIRST,
    NOTE,
    SECOND,
    SOLID,
    STYLE,
    WIDTH_IN,
)


def draw_scatter(tested: pd.DataFrame, label: str, alt: str) -> str:
    """Draw predicted against observed, the line of equality, and always predicting the mean."""
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.2)
        observed = tested["y_true"].to_numpy(np.float64)
        predicted = tested["y_pred"].to_numpy(np.float64)
        shown = np.concatenate([observed, predicted])
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        # Equal values have no range to take a part of.
        pad = 0.05 * (high - low or 1.0)
        ends = (low - pad, high + pad)
        # Many points are drawn as a picture, which cannot follow the page's colours.
        is_many = len(observed) > MAX_SHAPES
        axes.plot(ends, ends, "-", color=FAINT, linewidth=1, label="perfect")
        mean = float(tested["y_mean"].mean())
        axes.plot(ends, (mean, mean), ":", color=SECOND, linewidth=1.8, label="always the mean")
        axes.scatter(
            observed,
            predicted,
            s=6 if is_many else 18,
            color=SOLID if is_many else FIRST,
            alpha=0.3 if is_many else 0.65,
            linewidths=0,
            rasterized=is_many,
        )
        axes.set_xlim(ends)
        axes.set_ylim(ends)
        # So that what would be perfect is a diagonal.
        axes.set_aspect("equal")
        axes.set_xlabel(f"observed {label}")
        axes.set_ylabel(f"predicted {label}")
        axes.legend(frameon=False, fontsize=NOTE, loc="upper left")
        return finish_figure(figure, alt)


def draw_deciles(by_decile: Sequence[Mapping[str, float]], alt: str) -> str:
    """Draw error and bias by tenth of the prediction, 1 the highest.

    Parameters
    ----------
    by_decile
        Records with ``decile, mse, bias``, as in ``evaluate/failures.json``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        deciles = [record["decile"] for record in by_decile]
        upper.bar(deciles, [record["mse"] for record in by_decile], color=FIRST, width=0.7)
        upper.set_ylabel("mean squared error")
        bias = [record["bias"] for record in by_decile]
        lower.axhline(0, color=FAINT, linewidth=1)
        lower.vlines(deciles, 0, bias, color=SECOND, linewidth=2)
        lower.plot(deciles, bias, "o", color=SECOND, markersize=6)
        lower.margins(y=0.2)
        lower.set_ylabel("predicted − observed")
        lower.set_xlabel("tenth by prediction, 1 the highest")
        lower.set_xticks(range(1, 11))
        return finish_figure(figure, alt)


def draw_moves(by_test: Mapping[str, Mapping[str, Any]], alt: str) -> str:
    """Draw how predictions move as ground goes and comes, ranked and at random, side by side.

    Parameters
    ----------
    by_test
        Records of ``explain/curves.json`` by test, deletion and insertion.
    """
    titles = {"deletion": "taken away", "insertion": "given back"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.7), layout="constrained")
        # Unsqueezed: one test alone would come as an axes, and not in an array.
        every = figure.subplots(1, len(by_test), squeeze=False)[0]
        for axes, (test, record) in zip(every, by_test.items(), strict=True):
            shares = 100 * np.asarray(record["shares"])
            ranked, at_random = record["ranked"], record["at_random"]
            axes.axhline(0, color=FAINT, linewidth=1)
            # The area between the curves is what the test measures.
            axes.fill_between(shares, ranked, at_random, color=FIRST, alpha=0.15, linewidth=0)
            axes.plot(shares, ranked, "o-", color=FIRST, linewidth=1.8, label="as ranked")
            axes.plot(shares, at_random, "s--", color=SECOND, linewidth=1.8, label="at random")
            axes.set_xticks(shares)
            axes.set_title(titles[test], fontsize=NOTE)
            axes.margins(y=0.15)
        every[0].set_ylabel("prediction moves by")
        every[0].legend(frameon=False, fontsize=NOTE, handlelength=2.6)
        figure.supxlabel("share of the ground, %", fontsize=STYLE["font.size"])
        return finish_figure(figure, alt)
