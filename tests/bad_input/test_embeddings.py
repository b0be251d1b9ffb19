"""Embeddings that are not what they say: read right with a note, or refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Spoil = Callable[[Any], object]

SIDE = 120
"""Cells of 10 m a side: the place and 100 m more on each."""


def draw(n_bands: int = 64, seed: int = 0) -> NDArray[np.float32]:
    """Vectors of length 1."""
    values = np.random.default_rng(seed).normal(size=(n_bands, SIDE, SIDE))
    return np.asarray(values / np.linalg.norm(values, axis=0), np.float32)


def code(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Write vectors as AlphaEarth's are written."""
    return np.round(np.sign(vectors) * np.sqrt(np.abs(vectors)) * 127.5).astype(np.int8)


def embeddings(
    values: NDArray[Any] | None = None, name: str = "aef.tif", **how: Any
) -> Callable[[Any], object]:
    """Embeddings beside the place's heights, and settings that ask for them."""

    def spoil(place: Any) -> None:
        shown = code(draw()) if values is None else values
        asked = {key: how[key] for key in ("coding", "bands", "resolution_m") if key in how}
        profile = {key: value for key, value in how.items() if key not in asked}
        usual = {"west": 529_900.0, "north": 181_100.0, "cell": 10.0, "count": len(shown)}
        place.write_raster(name, shown, **(usual | profile))
        settings = {"files": "aef*.tif", "coding": "alphaearth"} | asked
        kept = {key: value for key, value in settings.items() if value is not None}
        place.configure(data={"embedding": kept})

    return spoil


def both(one: Spoil, other: Spoil) -> Spoil:
    def spoil(place: Any) -> None:
        one(place)
        other(place)

    return spoil


def pair(left: NDArray[Any], right: NDArray[Any]) -> Spoil:
    """Two files side by side, each half of the place; neither says how it is coded."""
    return both(
        embeddings(left[:, :, :60], coding=None),
        embeddings(right[:, :, 60:], name="aef-2.tif", west=530_500.0, coding=None),
    )


def with_column(number: float) -> NDArray[np.float32]:
    """Vectors, but for one column of cells in which every band holds one number."""
    values = draw()
    values[:, :, 60] = number
    return values


REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "two scales side by side": (
        pair(draw(), 100 * draw()),
        ("vectors of 50.00% of its cells are more than 16 times longer", "files of one kind"),
    ),
    "a void that nothing declares": (
        embeddings(with_column(-9999), coding=None),
        ("hold -9999 in every band", "gdal_edit.py -a_nodata -9999"),
    ),
    "a void of 20 digits": (
        embeddings(with_column(1e20), coding=None),
        ("hold 1e+20 in every band", "-a_nodata"),
    ),
    "whole numbers written as fractions": (
        embeddings(code(draw()).astype("float32"), coding=None),
        ("whole numbers from -", "not decoded", 'coding = "alphaearth"'),
    ),
    "one vector everywhere": (
        embeddings(np.tile(draw()[:, :1, :1], (1, SIDE, SIDE)), coding=None),
        ("holds the same numbers everywhere",),
    ),
    "one number everywhere": (
        embeddings(np.ones((64, SIDE, SIDE), np.float32), coding=None),
        ("holds the same numbers everywhere",),
    ),
    "no file": (
        lambda place: place.configure(data={"embedding": {"files": "nothing*.tif"}}),
        ("data.embedding.files", "no file matches"),
    ),
    "another place": (
        embeddings(west=600_000.0),
        ("aef.tif covers 600000", "share no ground", "Give embeddings of the same place"),
    ),
    "not decoded": (
        embeddings(coding=None),
        ("aef.tif: holds whole numbers from -128 to 127", 'coding = "alphaearth"', "geotessera"),
    ),
    "decoded already": (
        embeddings(draw()),
        ('data.embedding.coding = "alphaearth" is for whole numbers', "float32", "Take coding out"),
    ),
    "another coding": (embeddings(coding="tessera"), ("data.embedding.coding", "alphaearth")),
    "another model's numbers of 8 bits": (
        embeddings(np.random.default_rng(0).integers(-127, 127, (64, SIDE, SIDE)).astype("int8")),
        ("decoded as AlphaEarth's, its vectors are", "have length 1"),
    ),
    "a photo": (
        embeddings(np.ones((3, SIDE, SIDE), np.uint8), coding=None),
        ("holds numbers of kind uint8", "[data.photo]"),
    ),
    "heights": (embeddings(draw(2)[:1], coding=None), ("aef.tif: has 1 band",)),
    "two years": (
        both(embeddings(), embeddings(code(draw(seed=1)), name="aef-2.tif")),
        ("aef-2.tif", "aef.tif", "show the same ground and hold different embeddings"),
    ),
    "two models side by side": (
        both(
            embeddings(draw(64)[:, :, :60], coding=None),
            embeddings(draw(32)[:, :, 60:], name="aef-2.tif", west=530_500.0, coding=None),
        ),
        ("aef-2.tif has 32 bands", "aef.tif 64", "files of one kind"),
    ),
    "a band that is not there": (
        embeddings(bands=["A00", "A01"]),
        ("data.embedding.bands = ['A00', 'A01'], and it has 64 bands",),
    ),
    "a band twice": (embeddings(bands=["A00", "a00"]), ("bands: 'a00' is given twice",)),
    "no CRS": (embeddings(crs=None), ("aef.tif: carries no CRS",)),
    "larger than areas": (
        embeddings(code(draw())[:, :8, :8], cell=150.0),
        ("cells of 150 m are larger than the areas",),
    ),
    "all void": (
        embeddings(np.full((64, SIDE, SIDE), -128, np.int8)),
        ("shows no ground of any area",),
    ),
    "a recipe without any": (
        lambda place: place.configure(models={"recipes": ["embedding"]}),
        ("'embedding' looks at embeddings, and none is given", "[data.embedding]"),
    ),
    "a table called so": (
        lambda place: place.configure(
            data={"tables": {"embedding": {"file": "a.csv", "columns": ["a"]}}}
        ),
        ("'embedding' is the name of something else",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_embeddings_that_cannot_be_used_are_refused_in_one_line(
    case: str, place: Any, refused: Callable[..., None]
) -> None:
    spoil, says = REFUSED[case]
    spoil(place)
    refused(*says)


def void_half() -> NDArray[np.int8]:
    """One band without data is enough: a vector with a hole has no direction."""
    values = code(draw())
    values[5, :, :60] = -128
    return values


NOTED: dict[str, tuple[Spoil, tuple[str, ...], float]] = {
    "a band of one number": (
        embeddings(
            np.concatenate([draw()[:63], np.zeros((1, SIDE, SIDE), np.float32)]), coding=None
        ),
        ("1 of its bands hold one number everywhere", "number 64"),
        1.0,
    ),
    "a half of the place": (
        embeddings(void_half()),
        ("shows less than 50% of the ground of 50 of the 100 areas",),
        0.5,
    ),
    "a file that lies aside": (
        both(embeddings(), embeddings(west=700_000.0, name="aef-2.tif")),
        ("1 of 2 files lie aside of the areas",),
        1.0,
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_embeddings_that_are_odd_are_used_with_a_note(
    case: str, place: Any, noted: Callable[..., Any]
) -> None:
    spoil, says, share = NOTED[case]
    spoil(place)
    areas = noted(*says)
    assert areas["has_embedding"].mean() == pytest.approx(share, abs=0.02)


def test_check_says_what_embeddings_are(
    place: Any, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    embeddings()(place)
    assert run_command("check", str(place.config)) == 0
    assert "1 file of embeddings, cells of 10 m, 64 bands" in capsys.readouterr().out
