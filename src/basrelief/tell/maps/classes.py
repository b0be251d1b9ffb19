"""Classes of a map: where they end, which colour each has, and what the legend calls them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from basrelief.run import Record
from basrelief.style import SEQUENTIAL, SIGNED
from basrelief.tell.words import format_number

N_CLASSES = 5
"""Fifths: as many shades as an eye tells apart without going back to the legend."""

MIDDLE, MOST = 0.4, 0.8
"""Shares of the errors that the middle class of a diverging map holds, and all but its ends."""

ENDS = (0.02, 0.98)
"""Quantiles that colours end at and numbers are rounded by, so that one odd area does not flatten
the others, or cost them digits."""

ALIKE = 1.25
"""Widths whose largest are no more times their smallest than this have one colour: drawn in fifths
they would look as if some areas were known better."""

MOST_PLACES = 12
"""Decimal places beyond which values count as equal: no target differs by less."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """Classes of values; the first and the last have no outer end."""

    breaks: tuple[float, ...]
    """Where a class ends and the next begins, ascending; a value on a break is in the upper."""

    colours: tuple[str, ...]
    """One more than breaks, from the lowest class up, as ``#rrggbb``."""

    places: int
    """Decimal places that tell the classes apart."""

    def find(self, values: Floats) -> NDArray[np.int64]:
        """Find each value's class, from 0, (n,) each; −1 where there is no value."""
        found = np.searchsorted(np.array(self.breaks), values, side="right")
        return np.where(np.isfinite(values), found, -1)

    def times(self, factor: int, places: int) -> Classes:
        """Give the same classes of values that are told so many times as large."""
        breaks = tuple(round(factor * edge, places) for edge in self.breaks)
        return Classes(breaks, self.colours, places)

    def describe(self) -> Record:
        """Describe the classes to programs that draw them."""
        return {
            "breaks": list(self.breaks),
            "colours": list(self.colours),
            "labels": self.labels,
            "places": self.places,
        }

    @property
    def labels(self) -> list[str]:
        """What the legend calls the classes.

        Examples
        --------
        >>> Classes((-0.5, 1.0), ("", "", ""), places=1).labels
        ['below −0.5', '−0.5 to 1.0', '1.0 and above']
        """
        ends = [format_number(edge, self.places) for edge in self.breaks]
        if not ends:
            return ["all"]
        inner = [f"{low} to {high}" for low, high in pairwise(ends)]
        return [f"below {ends[0]}", *inner, f"{ends[-1]} and above"]


def classify_values(values: Floats) -> Classes:
    """Put values into fifths, in shades of cividis from low to high.

    Predictions are shown in the classes of what was observed, so that the eye compares colours:
    a recipe that shrinks towards the mean shows fewer of them.

    Parameters
    ----------
    values : (n,)
        NaN is left out.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Classes((), _shade(SEQUENTIAL, 1), 2)
    places = count_decimals_of(known)
    edges = np.quantile(known, np.arange(1, N_CLASSES) / N_CLASSES)
    # Rounded before they are used, so that the legend tells the truth.
    breaks = np.unique(np.round(edges, places))
    # A class that no value can fall into would stand in the legend for nothing.
    breaks = breaks[(breaks > known.min()) & (breaks <= known.max())]
    return Classes(tuple(breaks.tolist()), _shade(SEQUENTIAL, len(breaks) + 1), places)


def classify_widths(widths: Floats) -> Classes:
    """Put widths of intervals into fifths; into one class where they hardly vary.

    Parameters
    ----------
    widths : (n,)
        NaN is left out.

    Examples
    --------
    >>> classify_widths(np.array([1.0, 1.1, 1.2, np.nan])).breaks
    ()
    """
    known = widths[np.isfinite(widths)]
    if not len(known):
        return classify_values(known)
    low, high = np.quantile(known, ENDS)
    if high > ALIKE * low:
        return classify_values(known)
    return Classes((), _shade(SEQUENTIAL, 1), count_decimals_of(known))


def classify_residuals(residuals: Floats, places: int) -> Classes:
    """Put observed less predicted into five classes about 0: purple is lower, orange higher.

    The middle class holds the smallest 40 % of the errors, the two at the ends the largest 20 %.

    Parameters
    ----------
    residuals : (n,)
        NaN is left out.
    places
        Decimal places that breaks are rounded to.
    """
    sizes = np.abs(residuals[np.isfinite(residuals)])
    edges = np.quantile(sizes, (MIDDLE, MOST)) if len(sizes) else np.zeros(2)
    inner, outer = np.round(edges, places)
    unit = 10.0**-places
    # Errors smaller than the last digit shown still need classes of some width.
    inner = max(inner, unit)
    outer = max(outer, inner + unit)
    breaks = tuple(round(float(edge), places) for edge in (-outer, -inner, inner, outer))
    return Classes(breaks, _shade(SIGNED, N_CLASSES), places)


def count_decimals_of(values: Floats) -> int:
    """Say how many decimal places tell a hundredth of the spread of values, (n,).

    Examples
    --------
    >>> count_decimals_of(np.array([0.02, 0.38])), count_decimals_of(np.array([8.0, 51.0]))
    (3, 1)
    """
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, ENDS) if len(known) else (0.0, 1.0)
    spread = float(high - low)
    wanted = 2 - math.floor(math.log10(spread)) if spread > 0 else 2
    return min(max(0, wanted), MOST_PLACES)


def _shade(colours: str, n: int) -> tuple[str, ...]:
    """Take ``n`` colours from a colour map, spread over all of it but its darkest ends."""
    low, high = (0.1, 0.9) if colours == SIGNED else (0.02, 1.0)
    shades = np.linspace(low, high, n) if n > 1 else np.array([0.5])
    return tuple(mpl.colors.to_hex(mpl.colormaps[colours](shade)) for shade in shades)
