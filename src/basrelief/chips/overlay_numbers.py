"""Numbers of a layer beside heights, looked at before they are believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.overlays import OverlayFile
from basrelief.sources.photo_headers import BRIGHTNESS, REFLECTANCE
from basrelief.typed import Typed

DARK_SHARE = 0.5
"""Share of a file's numbers below 0 from which its offset was taken off twice."""

BRIGHTEST = 10.0
"""Reflectance that nothing has: sun glint on water stays below 2."""

NO_LIGHT, NO_MIRROR = -1.0, 5.0
"""Reflectances that none are, whatever the scale: an offset moves them by a tenth, and the largest
number of 16 bits, which stands for no data, comes out at 6.5."""

ODD_SHARE = 1e-4
"""Share of numbers that are no reflectance from which on they are no single broken cells."""

PITCH_DARK = 0.02
"""Largest reflectance of a place below which its scale is wrong: deep water has as much."""

WHITEST, WHITE_SHARE = 255.0, 0.02
"""Brightness that clouds, and borders without data, have in all bands; and which share of the cells
is worth a word."""


@dataclass
class SeenNumbers:
    """What is seen of a layer as it is written, piece by piece."""

    n: int = 0
    n_dark: int = 0
    n_bright: int = 0
    n_odd: int = 0
    """Numbers that are no reflectance."""

    n_cells: int = 0
    n_white: int = 0
    lowest: float = np.inf
    highest: float = -np.inf
    is_grey: bool = True
    """Whether all bands have the same numbers."""

    squares: float = 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in a piece, (band, row, col), NaN in all bands where there is no data."""
        known = values[:, np.isfinite(values[0])]
        if not known.size:
            return
        self.n += known.size
        self.n_cells += known.shape[1]
        self.n_dark += int((known < 0).sum())
        self.n_bright += int((known > BRIGHTEST).sum())
        self.n_odd += int(((known < NO_LIGHT) | (known > NO_MIRROR)).sum())
        self.n_white += int((known == WHITEST).all(axis=0).sum())
        self.lowest = min(self.lowest, float(known.min()))
        self.highest = max(self.highest, float(known.max()))
        self.is_grey = self.is_grey and len(known) > 1 and bool((known == known[0]).all())
        # In doubles: the square of what stands for no data has no place among floats.
        self.squares += float(np.square(known, dtype=np.float64).sum())


def believe_photo(seen: SeenNumbers, first: OverlayFile, typed: Typed, notes: Notes) -> None:
    """Refuse numbers that no photo has, or that their scale and offset cannot have made right.

    Parameters
    ----------
    first
        Of the layer's files, by which the scale is told.

    Raises
    ------
    InputError
        Says what was found, and what would work.
    """
    if seen.lowest == seen.highest:
        raise InputError(
            f"{typed}: holds {seen.lowest:g} in every band of every cell: nothing is seen in it. "
            "Fetch it again."
        )
    if seen.is_grey:
        notes.add(
            f"{typed}: all its bands hold the same numbers: a grey picture, or one drawn from "
            "heights, in which no colour says anything"
        )
    # Any number of 8 bits is a brightness, and of other units nothing is known.
    if first.unit == REFLECTANCE:
        _refuse_reflectance(seen, first, typed)
    elif first.unit == BRIGHTNESS and seen.n_white > WHITE_SHARE * seen.n_cells:
        notes.add(
            f"{typed}: {seen.n_white / seen.n_cells:.0%} of its cells are 255 in all bands, and "
            "taken for white ground. Where they stand for no data: gdal_edit.py -a_nodata 255 FILE"
        )


def _refuse_reflectance(seen: SeenNumbers, first: OverlayFile, typed: Typed) -> None:
    """Refuse reflectances that are none."""
    told = f"times {first.factors[0]:g}, plus {first.offsets[0]:g}"
    if seen.n_bright > 0.01 * seen.n:
        raise InputError(
            f"{typed}: {seen.n_bright / seen.n:.0%} of its reflectances are above {BRIGHTEST:g} "
            f"({told}), and white paper has 1. Correct the files' scale, or data.photo.scale."
        )
    if seen.n_odd > ODD_SHARE * seen.n:
        end = seen.lowest if seen.lowest < NO_LIGHT else seen.highest
        stored = (end - first.offsets[0]) / first.factors[0]
        raise InputError(
            f"{typed}: {seen.n_odd / seen.n:.2%} of its numbers are no reflectance, such as "
            f"{stored:.6g} ({told}: {end:.4g}). Where it stands for no data: "
            f"gdal_edit.py -a_nodata {stored:.6g} FILE. Else correct the scale and offset."
        )
    if seen.n_dark > DARK_SHARE * seen.n:
        raise InputError(
            f"{typed}: {seen.n_dark / seen.n:.0%} of its reflectances are below 0 ({told}): an "
            "offset may have been taken off before. Correct the files' offset, or "
            "data.photo.offset."
        )
    if seen.highest < PITCH_DARK:
        raise InputError(
            f"{typed}: none of its reflectances is above {seen.highest:.2g} ({told}), and soil has "
            "a tenth. Correct the files' scale, or data.photo.scale."
        )
