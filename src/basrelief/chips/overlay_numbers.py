"""Numbers of a layer beside heights, looked at before they are believed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.embeddings import STEP, find_length_fault
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

MANY_FAR, FAR_LENGTH = 0.01, 16.0
"""Share of cells whose vectors are so many times longer or shorter than the middle one from which
on a layer has two scales. Models end in a normalisation, or nearly: theirs differ little."""

ODDEST_LENGTH = 1000.0
"""Times the middle length that no vector is: a few such cells hold what stands for no data."""

FEW_BANDS = 3
"""Numbers of a vector that may well be one and the same by chance, rounded as they are."""

OCTAVES = np.arange(-60, 120)
"""Binary logarithms of lengths, by which they are counted: of floats nothing is beyond."""


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
    sums: list[int] = field(default_factory=list)
    """A checksum (CRC-32) a band, of its numbers so far: bands that are alike have one."""

    squares: float = 0.0
    is_whole: bool = True
    n_flat: int = 0
    """Cells in which all bands hold one number, other than 0."""

    flat: float = np.nan
    """Such a number."""

    least: NDArray[np.float32] | None = None
    most: NDArray[np.float32] | None = None
    """(band,) Least and greatest number of each band."""

    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OCTAVES), np.int64))
    """How many cells have vectors of which length, by its octave."""

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
        before = self.sums or [0] * len(known)
        self.sums = [zlib.crc32(band.tobytes(), k) for band, k in zip(known, before, strict=True)]
        self._add_vectors(known)

    def _add_vectors(self, known: NDArray[np.float32]) -> None:
        """Take in the cells of a piece, (band, cell), as vectors."""
        ends = (known.min(axis=1), known.max(axis=1))
        self.least = ends[0] if self.least is None else np.minimum(self.least, ends[0])
        self.most = ends[1] if self.most is None else np.maximum(self.most, ends[1])
        self.is_whole = self.is_whole and bool((known == np.rint(known)).all())
        is_flat = (known == known[0]).all(axis=0) & (known[0] != 0) & (len(known) > FEW_BANDS)
        if is_flat.any():
            self.n_flat, self.flat = self.n_flat + int(is_flat.sum()), float(known[0, is_flat][0])
        # In doubles: the square of what stands for no data has no place among floats.
        squares = np.square(known, dtype=np.float64).sum(axis=0)
        self.squares += float(squares.sum())
        octaves = np.floor(np.log2(np.sqrt(squares[squares > 0])))
        at = np.clip(octaves, OCTAVES[0], OCTAVES[-1]).astype(int) - OCTAVES[0]
        self.lengths += np.bincount(at, minlength=len(OCTAVES))

    @property
    def same_bands(self) -> list[int]:
        """Positions, from 1, of the bands that hold one number everywhere."""
        if self.least is None or self.most is None:
            return []
        return [int(k) + 1 for k in np.flatnonzero(self.least == self.most)]

    @property
    def twins(self) -> list[tuple[int, int]]:
        """Positions, from 1, of bands with the very numbers of one before, and of that one."""
        first = {each: k for k, each in reversed(list(enumerate(self.sums, 1)))}
        return [(first[each], k) for k, each in enumerate(self.sums, 1) if first[each] != k]

    def count_far(self, times: float) -> int:
        """Count the cells whose vectors are so many times longer or shorter than the middle one."""
        total = int(self.lengths.sum())
        if not total:
            return 0
        middle = OCTAVES[np.searchsorted(np.cumsum(self.lengths), (total + 1) // 2)]
        return int(self.lengths[np.abs(OCTAVES - middle) > np.log2(times)].sum())


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
    _note_same(seen, typed, notes)
    if len(seen.twins) == len(seen.sums) - 1:
        notes.add(
            f"{typed}: all its bands hold the same numbers: a grey picture, or one drawn from "
            "heights, in which no colour says anything"
        )
    else:
        _note_twins(seen, first, typed, notes)
    # Any number of 8 bits is a brightness, and of other units nothing is known.
    if first.unit == REFLECTANCE:
        _refuse_reflectance(seen, first, typed)
    elif first.unit == BRIGHTNESS and seen.n_white > WHITE_SHARE * seen.n_cells:
        notes.add(
            f"{typed}: {seen.n_white / seen.n_cells:.0%} of its cells are 255 in all bands, and "
            "taken for white ground. Where they stand for no data: gdal_edit.py -a_nodata 255 FILE"
        )


def believe_embeddings(seen: SeenNumbers, first: OverlayFile, typed: Typed, notes: Notes) -> None:
    """Refuse numbers that are no embeddings of one model on one scale.

    Raises
    ------
    InputError
        Says what was found, and what would work.
    """
    n_bands = len(first.bands)
    fault = find_length_fault(seen.squares / seen.n_cells, n_bands, first.coding)
    if fault is not None:
        raise InputError(f"{typed}: {fault}")
    if len(seen.same_bands) == n_bands:
        raise InputError(f"{typed}: holds the same numbers everywhere. Fetch them again.")
    if first.coding is None and seen.is_whole and max(-seen.lowest, seen.highest) <= STEP:
        raise InputError(
            f"{typed}: holds whole numbers from {seen.lowest:g} to {seen.highest:g} alone, as "
            'embeddings that are not decoded. Add coding = "alphaearth" to [data.embedding] and '
            "give the files of 8 bits, or decode those of another model."
        )
    if seen.n_flat > ODD_SHARE * seen.n_cells:
        raise InputError(
            f"{typed}: {seen.n_flat / seen.n_cells:.2%} of its cells hold {seen.flat:g} in every "
            f"band, as where there is no data: gdal_edit.py -a_nodata {seen.flat:g} FILE"
        )
    n_far, n_odd = seen.count_far(FAR_LENGTH), seen.count_far(ODDEST_LENGTH)
    if n_far > MANY_FAR * seen.n_cells or n_odd > ODD_SHARE * seen.n_cells:
        raise InputError(
            f"{typed}: vectors of {n_far / seen.n_cells:.2%} of its cells are more than "
            f"{FAR_LENGTH:g} times longer or shorter than the usual one: some files are on another "
            "scale or of another model, or some numbers stand for no data. Give files of one kind, "
            "with nodata declared."
        )
    _note_same(seen, typed, notes)
    _note_twins(seen, first, typed, notes)


def _note_twins(seen: SeenNumbers, first: OverlayFile, typed: Typed, notes: Notes) -> None:
    """Note which bands hold the very numbers of another one, unless both hold a single number."""
    told = [pair for pair in seen.twins if pair[1] not in seen.same_bands]
    if told:
        one, other = (first.bands[k - 1] for k in told[0])
        notes.add(
            f"{typed}: {len(told)} of its bands hold the very numbers of another one, such as "
            f"{other!r} those of {one!r}: taken twice by mistake, or its own file is missing"
        )


def _note_same(seen: SeenNumbers, typed: Typed, notes: Notes) -> None:
    """Note which bands hold one number everywhere, and so say nothing."""
    if seen.same_bands:
        which = ", ".join(map(str, seen.same_bands[:5]))
        notes.add(
            f"{typed}: {len(seen.same_bands)} of its bands hold one number everywhere, and say "
            f"nothing (such as number {which} of those asked for)"
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
