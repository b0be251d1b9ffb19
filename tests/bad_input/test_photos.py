"""Photos that are not what they say: read right with a note, or refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

Spoil = Callable[[Any], object]

SIDE = 120
"""Cells of 10 m a side: the place and 100 m more on each."""


def draw(n_bands: int = 3, kind: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(0).integers(1, 255, (n_bands, SIDE, SIDE)).astype(kind)


def striped() -> NDArray[Any]:
    """Data in two of five columns: of every area the same share."""
    values = draw()
    values[:, :, np.arange(SIDE) % 5 > 1] = 0
    return values


def photo(
    values: NDArray[Any] | None = None,
    asked: dict[str, Any] | None = None,
    name: str = "photo.tif",
    **profile: Any,
) -> Spoil:
    """A photo beside the place's heights, and settings that ask for it."""

    def spoil(place: Any) -> None:
        shown = draw() if values is None else values
        usual = {"west": 529_900.0, "north": 181_100.0, "cell": 10.0, "count": len(shown)}
        place.write_raster(name, shown, **(usual | profile))
        settings = {"files": "photo*.tif", "bands": ["red", "green", "blue"]}
        place.configure(data={"photo": settings | (asked or {})})

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(place: Any) -> None:
        for each in spoils:
            each(place)

    return spoil


def replaced(data: bytes) -> Spoil:
    def spoil(place: Any) -> None:
        photo()(place)
        (place.folder / "photo.tif").write_bytes(data)

    return spoil


def coloured(place: Any) -> None:
    """A picture of a palette: its numbers are names of colours."""
    photo(draw(1))(place)
    with rasterio.open(place.folder / "photo.tif", "r+") as file:
        file.colorinterp = (ColorInterp.palette,)
        file.write_colormap(1, {k: (k, 255 - k, 0, 255) for k in range(256)})


def placeless(place: Any) -> None:
    """The pixels and the CRS, and nothing of where they lie."""
    photo()(place)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        place.write_raster("photo.tif", draw(), transform=rasterio.Affine.identity(), count=3)


def truncated(place: Any) -> None:
    photo(compress="deflate")(place)
    path = place.folder / "photo.tif"
    path.write_bytes(path.read_bytes()[:20_000])


def named(*names: str, n_bands: int = 3, **asked: Any) -> Spoil:
    def spoil(place: Any) -> None:
        photo(draw(n_bands), asked)(place)
        with rasterio.open(place.folder / "photo.tif", "r+") as file:
            file.descriptions = names

    return spoil


def scaled(*scales: float) -> Spoil:
    """A photo that says by what its numbers are multiplied."""

    def spoil(place: Any) -> None:
        photo(SIXTEEN)(place)
        with rasterio.open(place.folder / "photo.tif", "r+") as file:
            file.scales = scales

    return spoil


def two(other: Spoil) -> Spoil:
    """A sound photo, and another file beside it."""

    def spoil(place: Any) -> None:
        photo()(place)
        other(place)

    return spoil


def holed(values: NDArray[Any], hole: float, step: int = 9) -> NDArray[Any]:
    """A number that stands for no data in every so manieth column, and nothing that says so."""
    values = values.copy()
    values[:, :, ::step] = hole
    return values


def classed(classes: NDArray[Any]) -> Spoil:
    """A photo, and a band that is called as the classes of what is seen are."""
    values = np.concatenate([draw(3, str(classes.dtype)), classes[None]])

    def spoil(place: Any) -> None:
        photo(values, {"mask": "SCL"})(place)
        with rasterio.open(place.folder / "photo.tif", "r+") as file:
            file.descriptions = ("red", "green", "blue", "SCL")

    return spoil


NOWHERE = float("nan")
SIXTEEN = draw(3, "uint16") * 30

REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no file": (
        lambda place: place.configure(
            data={"photo": {"files": "nothing*.tif", "bands": ["red", "green", "blue"]}}
        ),
        ("data.photo.files", "no file matches"),
    ),
    "another place": (
        photo(west=600_000.0),
        ("photo.tif covers 600000", "share no ground", "Give a photo of the same place"),
    ),
    "a corner that is no number": (
        photo(transform=rasterio.Affine(NOWHERE, 0, 529_900, 0, -10, 181_100)),
        ("photo.tif: its corner lies at", "nan", "no place in metres"),
    ),
    "a northing that is no number": (
        photo(transform=rasterio.Affine(10, 0, 529_900, 0, -10, NOWHERE)),
        ("photo.tif: its corner lies at 529900, nan",),
    ),
    "a corner at 1e308": (
        photo(transform=rasterio.Affine(10, 0, 1e308, 0, -10, 1e308)),
        ("photo.tif: its corner lies at 1e+308",),
    ),
    "a world file of another place": (
        two(lambda p: (p.folder / "photo.tfw").write_text("10\n0\n0\n-10\n531005\n181095\n")),
        ("photo.tif: a corner of it lies at 529900, 181100", "by photo.tfw beside it"),
    ),
    "two bands of one name": (
        named("red", "red", "green", "blue", n_bands=4),
        ("data.photo.bands: 2 of its bands are called 'red'",),
    ),
    "no data of fractions, undeclared": (
        photo(holed(draw(3, "float32") / 255, -9999)),
        ("are no reflectance, such as -9999", "gdal_edit.py -a_nodata -9999 FILE"),
    ),
    "no data of fractions, in a few columns": (
        photo(holed(draw(3, "float32") / 255, -3.4e38, step=119)),
        ("are no reflectance, such as -3.4e+38",),
    ),
    "no data of 16 bits, undeclared": (
        photo(holed(SIXTEEN, 65535), {"scale": 1e-4}),
        ("are no reflectance, such as 65535", "gdal_edit.py -a_nodata 65535"),
    ),
    "a scale of 0 in the file": (
        scaled(0.0, 1.0, 1.0),
        ("photo.tif: says that its numbers are to be multiplied by 0", "makes no picture"),
    ),
    "a scale of another kind of number": (
        photo(SIXTEEN, {"scale": 1e-9}),
        ("none of its reflectances is above 7.6e-06", "data.photo.scale"),
    ),
    "the same number everywhere": (
        photo(np.full((3, SIDE, SIDE), 7, np.uint8)),
        ("holds 7 in every band of every cell",),
    ),
    "a mask of something else": (
        classed(draw(1)[0]),
        ("data.photo.mask is to be Sentinel-2's scene classification", "0 to 11"),
    ),
    "no CRS": (photo(crs=None), ("photo.tif: carries no CRS", "gdal_translate -a_srs")),
    "no georeference": (
        placeless,
        ("photo.tif: carries no place on the ground",),
    ),
    "a palette": (coloured, ("photo.tif: holds numbers of a palette", "-expand rgb")),
    "one band": (photo(draw(1)), ("photo.tif: has 1 band", "three or more")),
    "heights": (photo(draw(1, "float32")), ("photo.tif: has 1 band",)),
    "larger than areas": (
        photo(draw()[:, :8, :8], cell=150.0),
        ("cells of 150 m are larger than the areas", "10,000 m²"),
    ),
    "16 bits, and no scale": (
        photo(draw(3, "uint16")),
        ("photo.tif: holds numbers of 16 bits", "scale = 0.0001 and offset = -0.1"),
    ),
    "an offset that was taken off before": (
        photo(draw(3, "uint16"), {"scale": 1e-4, "offset": -0.1}),
        ("of its reflectances are below 0", "data.photo.offset"),
    ),
    "a scale of something else": (
        photo(draw(3, "uint16"), {"scale": 1.0}),
        ("of its reflectances are above 10", "data.photo.scale"),
    ),
    "embeddings": (
        photo((draw(8).astype(int) - 128).astype("int8")),
        ("photo.tif: holds whole numbers from -128 to 127", "embeddings"),
    ),
    "complex numbers": (photo(draw(3, "complex64")), ("holds numbers of kind complex64",)),
    "a band too few": (
        photo(draw(5), photometric="minisblack"),
        ("data.photo.bands = ['red', 'green', 'blue'], and it has",),
    ),
    "a band by another name": (
        named("red", "grn", "blue"),
        ("its bands are red, grn, blue", "Give a name for each"),
    ),
    "a mask that is not there": (
        named("red", "green", "blue", mask="SCL"),
        ("data.photo.mask = 'SCL', and none of its bands",),
    ),
    "two resolutions": (
        two(photo(draw()[:, :60, :60], name="photo-2.tif", cell=20.0)),
        ("photo-2.tif has cells of 20 m, photo.tif of 10 m", "resolution_m = 20"),
    ),
    "two kinds of numbers": (
        two(photo(draw(3, "float32") / 255, name="photo-2.tif")),
        ("photo-2.tif are reflectance, of photo.tif brightness", "files of one kind"),
    ),
    "finer than it is": (
        photo(asked={"resolution_m": 2.0}),
        ("has cells of 10 m, coarser than the 2 m of data.photo.resolution_m",),
    ),
    "a sliver of every area": (
        photo(striped()),
        ("shows 50% of the ground of no area", "of the best it shows 40%"),
    ),
    "all blank": (photo(np.zeros((3, SIDE, SIDE), np.uint8)), ("shows no ground of any area",)),
    "cut short": (truncated, ("photo.tif", "cannot be read to its end")),
    "a web page": (replaced(b"<!DOCTYPE html><html>"), ("photo.tif", "a web page")),
    "a list of other files": (
        replaced(b"<VRTDataset rasterXSize='5'><SourceFilename>/etc/passwd</SourceFilename>"),
        ("photo.tif", "not followed"),
    ),
    "JPEG 2000": (replaced(b"\x00\x00\x00\x0cjP  \r\n"), ("JPEG 2000", "gdal_translate")),
    "an ASCII grid": (
        replaced(b"ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n3 4\n"),
        ("photo.tif: give a photo as a GeoTIFF",),
    ),
    "bands given twice": (
        photo(asked={"bands": ["red", "Red", "blue"]}),
        ("data.photo", "bands: 'red' is given twice"),
    ),
    "an offset alone": (photo(asked={"offset": -0.1}), ("offset needs scale",)),
    "another mask": (photo(asked={"mask": "clouds"}), ("data.photo.mask", "SCL")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_photo_that_cannot_be_used_is_refused_in_one_line(
    case: str, place: Any, refused: Callable[..., None]
) -> None:
    spoil, says = REFUSED[case]
    spoil(place)
    refused(*says)


NOTED: dict[str, tuple[Spoil, tuple[str, ...], float]] = {
    "a band of one number": (
        photo(np.concatenate([draw(2), np.full((1, SIDE, SIDE), 7, np.uint8)])),
        ("1 of its bands hold one number everywhere", "number 3"),
        1.0,
    ),
    "years apart": (
        both(
            photo(draw()[:, :, :60], name="photo_2003-06-01.tif"),
            photo(draw()[:, :, 60:], name="photo_2019-06-01.tif", west=530_500.0),
        ),
        ("taken from 2003-06-01 to 2019-06-01", "may be what changed on the ground"),
        1.0,
    ),
    "a day to come": (
        photo(name="photo_2041-06-01.tif"),
        ("2041-06-01, when a file says that it was taken, is yet to come",),
        1.0,
    ),
    "few cells an area": (
        photo(draw()[:, :36, :36], cell=33.0),
        ("an area has 9 of its cells of 33 m, or fewer",),
        1.0,
    ),
    "the same in all bands": (
        photo(np.repeat(draw(1), 3, axis=0)),
        ("all its bands hold the same numbers: a grey picture",),
        1.0,
    ),
    "two bands alike": (
        photo(draw()[[0, 1, 1]]),
        ("1 of its bands hold the very numbers of another one, such as 'blue' those of 'green'",),
        1.0,
    ),
    "white borders": (
        photo(holed(draw(), 255)),
        ("12% of its cells are 255 in all bands", "-a_nodata 255"),
        1.0,
    ),
    "a half of the place": (
        photo(draw()[:, :, :60]),
        ("shows less than 50% of the ground of 50 of the 100 areas", "predicts the mean"),
        0.5,
    ),
    "a file that lies aside": (
        two(photo(west=700_000.0, name="photo-2.tif")),
        ("1 of 2 files lie aside of the areas",),
        1.0,
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_a_photo_that_is_odd_is_used_with_a_note(
    case: str, place: Any, noted: Callable[..., Any]
) -> None:
    spoil, says, share = NOTED[case]
    spoil(place)
    areas = noted(*says)
    assert areas["has_photo"].mean() == pytest.approx(share, abs=0.02)


def test_check_says_what_a_photo_is_and_reads_headers_alone(
    place: Any, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    photo()(place)
    assert run_command("check", str(place.config)) == 0
    told = "1 file of a photo, cells of 10 m, bands red, green, blue (brightness)"
    assert told in capsys.readouterr().out
    assert not place.run.exists()


def test_a_photo_beside_pictures_is_refused(place: Any, refused: Callable[..., None]) -> None:
    settings = {"files": "photo.tif", "bands": ["red", "green", "blue"]}
    changes = {"dsm": None, "areas": None, "labels": None, "images": "a", "table": "b.csv"}
    place.configure(data=changes | {"photo": settings})
    refused("photo needs rasters of heights")


def test_a_recipe_of_photos_without_a_photo_is_refused(
    place: Any, refused: Callable[..., None]
) -> None:
    place.configure(models={"recipes": ["dense-photo"]})
    refused("'dense-photo' looks at a photo, and none is given", "[data.photo]")
