"""Learning curves as a drawing."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from basrelief.drawing import finish_figure, start_figure
from basrelief.style import FIRST, NOTE, SECOND, STYLE

CURVES = "history.svg"
"""The drawing beside ``history.csv``."""


def draw_curves(history: pd.DataFrame, alt: str, *, is_alone: bool = False) -> str:
    """Draw training and validation loss by epoch, told apart by line style and by name.

    Parameters
    ----------
    is_alone
        Whether it is a file of its own, and no part of a page.
    """
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(2.6)
        for column, name, style, colour in (
            ("loss", "training", "--", FIRST),
            ("val_loss", "validation", "-", SECOND),
        ):
            curve = history[column].to_numpy(np.float64)
            epochs = history["epoch"].to_numpy()
            # A line through one point cannot be seen.
            marker = "o" if len(curve) < 3 else ""
            axes.plot(epochs, curve, style, color=colour, linewidth=1.8, marker=marker, label=name)
        axes.legend(frameon=False, fontsize=NOTE, handlelength=2.6)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        # From 0, so that a curve that hardly falls does not look as if it fell far.
        axes.set_ylim(bottom=0) if history["loss"].min() >= 0 else None
        return finish_figure(figure, alt, is_alone=is_alone)
