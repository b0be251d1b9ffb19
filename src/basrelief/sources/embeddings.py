"""Precomputed embeddings as files: what their headers say, and how AlphaEarth's are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.eyes import EmbeddingSettings
from basrelief.names import tidy_text
from basrelief.sources.photo_headers import pick_bands
from basrelief.sources.raster_places import find_place_fault

NO_UNIT = "1"
"""Unit of an embedding's numbers, as CF metadata write it: they are shares of nothing."""

STEP, VOID = 127.5, -128
"""Of AlphaEarth's whole numbers: what stands for 1 before it is squared, and for no data."""

N_ALPHAEARTH = 64
"""Bands of AlphaEarth's vectors, whose length is 1."""

LONGEST = 1.2
"""Mean square length that no decoded vectors have: 1 by definition, and less once averaged."""


def decode_alphaearth(stored: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decode numbers of 8 bits into those of the vectors, of any shape; -128 becomes NaN.

    References
    ----------
    Google, AlphaEarth Foundations satellite embedding, its quantisation: sign(v) (v / 127.5)².

    Examples
    --------
    >>> decode_alphaearth(np.array([0, 127.5, -127.5, -128], np.float32)).tolist()
    [0.0, 1.0, -1.0, nan]
    """
    shares = stored / np.float32(STEP)
    # Squared so that small numbers, which most are, keep more of their digits.
    decoded = np.sign(shares) * shares**2
    return np.where(stored == VOID, np.float32(np.nan), decoded).astype(np.float32)


def find_embedding_fault(dataset: Any, asked: EmbeddingSettings) -> str | None:
    """Say why an open raster holds no embeddings that are read as asked, or nothing."""
    if dataset.subdatasets:
        return f"has {len(dataset.subdatasets)} pages. Take out the one that is meant."
    kinds = {str(kind) for kind in dataset.dtypes}
    is_whole = not all(kind.startswith("float") for kind in kinds)
    if asked.coding is not None and kinds != {"int8"}:
        return (
            f'data.embedding.coding = "{asked.coding}" is for whole numbers from -128 to 127, and '
            f"it holds numbers of kind {', '.join(sorted(kinds))}. Take coding out where they are "
            "decoded already, or give the files as they were published."
        )
    if asked.coding is None and kinds == {"int8"}:
        return (
            "holds whole numbers from -128 to 127, which have to be decoded. Of AlphaEarth add "
            'coding = "alphaearth" to [data.embedding]; of TESSERA let geotessera write GeoTIFFs, '
            "which decodes them."
        )
    if asked.coding is None and is_whole:
        return (
            f"holds numbers of kind {', '.join(sorted(kinds))}; embeddings are fractions, or "
            "AlphaEarth's whole numbers of 8 bits. A photo is given as [data.photo]."
        )
    if dataset.count < 2:
        return "has 1 band; embeddings have many numbers a cell. Give files with all of them."
    return find_place_fault(dataset)


def find_dimensions(dataset: Any, asked: EmbeddingSettings, name: str) -> tuple[int, ...]:
    """Find the bands asked for, by default all, as positions from 1."""
    if asked.bands is None:
        return tuple(range(1, dataset.count + 1))
    told = [tidy_text(each or "").lower() for each in dataset.descriptions]
    return pick_bands(asked.bands, [told], range(dataset.count), f"{name}: data.embedding.bands")


def name_dimensions(dataset: Any, indexes: Sequence[int]) -> tuple[str, ...]:
    """Name bands, given as positions from 1, as the file does, or else ``d1``, ``d2``, ..."""
    told = [tidy_text(dataset.descriptions[index - 1] or "").lower() for index in indexes]
    if all(told) and len(set(told)) == len(told):
        return tuple(told)
    return tuple(f"d{index}" for index in indexes)


def find_length_fault(square_length: float, n_bands: int, coding: str | None) -> str | None:
    """Say why decoded numbers cannot be AlphaEarth's, or nothing.

    Parameters
    ----------
    square_length
        Mean over the cells of the sum of squares over the bands.
    """
    if coding is None or n_bands != N_ALPHAEARTH or square_length <= LONGEST:
        return None
    return (
        f"decoded as AlphaEarth's, its vectors are {square_length**0.5:.1f} long on average, and "
        "AlphaEarth's have length 1: these are of another model. Take coding out, and give them "
        "decoded."
    )


def refuse_two_years(dates: Sequence[NDArray[np.float32]], names: Sequence[str]) -> None:
    """Refuse files that show the same ground differently: a median would be of no year.

    Parameters
    ----------
    dates : (band, row, col) each
        NaN where a file has no data.

    Raises
    ------
    InputError
        If two of them differ where both have data.
    """
    for k, other in enumerate(dates[1:], start=1):
        both = np.isfinite(dates[0][0]) & np.isfinite(other[0])
        # Half a step of 8 bits at its largest: the same tile, written twice, may be rounded anew.
        if both.any() and np.abs(dates[0][:, both] - other[:, both]).max() > 1 / STEP:
            raise InputError(
                f"{names[0]} and {names[k]}: show the same ground and hold different embeddings, "
                "as two years or two models do. Give files of one."
            )
