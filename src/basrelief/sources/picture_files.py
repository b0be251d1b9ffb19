"""Pictures as files: how one is opened, and what it has that a network does not see."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from basrelief.sources.inputs import PICTURE_FORMATS

HEADS = {
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"%!PS": "PostScript (EPS)",
    b"\xc5\xd0\xd3\xc6": "PostScript (EPS)",
    b"%PDF": "a PDF",
    b"RIFF": "a WebP",
    b"<": "a web page, or SVG",
}
"""How files begin."""

EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")

MAX_PIXELS = 25_000_000
"""Of one picture: five hundred times what a network sees, and 100 MB in memory."""

PNG_DEPTH_AT = 24
"""Where a PNG says how many bits a band has (PNG specification, IHDR)."""

TIFF_NODATA = 42113
"""The tag where GDAL writes which value marks ground without data."""

TIFF_BANDS = 277
"""The tag where a TIFF says how many bands it has (TIFF 6.0, SamplesPerPixel)."""

TIFF_PART = 254
"""The tag where a TIFF says what a page of it is (TIFF 6.0, NewSubfileType)."""

TIFF_LESSER = 1 | 4
"""Bits of that tag: a smaller copy, as cloud-optimised files have, or a mask."""

MAX_PAGES = 50
"""The most pages of a file that are looked at."""

UNSEEN = {
    "faint": "pixels that are transparent in part (if the fourth band is no alpha but, say, "
    "infrared, save three bands): they count as opaque, in the colours that they have",
    "band": "a fourth band that is no alpha, and is not looked at",
    "pages": "several pages, of which the first is taken",
}
"""What of a picture networks do not see, in words."""

TIFF_DEPTH = 258
"""The tag where a TIFF says it (TIFF 6.0, BitsPerSample)."""

DAMAGE = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for a damaged file, depending on what the damage hits first."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as networks see it, and what it was."""

    bands: NDArray[np.uint8]
    """(3, size_px, size_px) Red, green, blue; 0 where it is transparent."""

    width: int
    """Pixels, as delivered."""

    height: int
    opaque: float
    """Share of its pixels that are not wholly transparent, nor nodata."""

    unseen: tuple[str, ...] = ()
    """What it holds that networks do not see, of `UNSEEN`."""


def open_picture(path: Path, size_px: int, *, is_upright: bool = False) -> Picture:
    """Read a picture whole, as red, green and blue; resize it where its size differs.

    What is wholly transparent marks ground without data: it becomes black, as there is no telling
    what colours a program left under it.

    Parameters
    ----------
    is_upright
        Whether it is turned as its camera says that it was held.

    Raises
    ------
    OSError
        If the file is missing, damaged, too large, or not what its suffix says.
    ValueError
        If it has more than eight bits a band: how to darken it would be a guess.
    """
    named = PICTURE_FORMATS[path.suffix.lower()]
    try:
        with warnings.catch_warnings():
            # Its own bound on sizes is a warning first; ours is below.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=[named]) as picture:
                reason = _find_fault(path, picture)
                if not reason:
                    # Pillow opens a file by its head: damage shows when pixels are read.
                    picture.load()
                    turned = ImageOps.exif_transpose(picture) if is_upright else picture
                    return _bring_to_size(turned, size_px)
    except DAMAGE as error:
        raise OSError(f"{path.name}: {_tell_damage(path, named, error)}") from error
    if "bits" in reason:
        raise ValueError(f"{path.name}: {reason}")
    raise OSError(f"{path.name}: {reason}")


def _find_fault(path: Path, picture: Image.Image) -> str:
    """Say what keeps a picture from being read as it is; empty where nothing does."""
    width, height = picture.size
    # By its head, before pixels are read: a small file may unpack to a hundred times its size.
    if width * height > MAX_PIXELS:
        most = int(MAX_PIXELS**0.5)
        return f"has {width} x {height} px; {most} x {most} are the most"
    depth = _find_depth(path, picture)
    # Pillow cuts deeper pictures off at 255, or to their upper eight bits, without a word.
    if depth > 8 or picture.mode not in EIGHT_BIT_MODES:
        what = f"{depth} bits a band" if depth > 8 else f"mode {picture.mode}, more than 8 bits"
        return f"has {what}: save it with 8, scaled as you want them seen"
    return ""


def _find_depth(path: Path, picture: Image.Image) -> int:
    if picture.format == "PNG":
        with path.open("rb") as file:
            return file.read(PNG_DEPTH_AT + 1)[-1]
    tags = getattr(picture, "tag_v2", {})
    return int(max(np.atleast_1d(tags.get(TIFF_DEPTH, 8))))


def _tell_damage(path: Path, named: str, error: Exception) -> str:
    """Tell what a file is that could not be opened as what it is called."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        head = b""
    if isinstance(error, Image.DecompressionBombError):
        return f"has far more than {MAX_PIXELS:,} pixels, which are the most"
    kind = next((kind for start, kind in HEADS.items() if head.startswith(start)), None)
    # A page that says "not found" is easily saved under a picture's name.
    if kind is not None and kind != f"a {named}":
        return f"is {kind}, and called {path.suffix}"
    # Not by its head: what may not be read has none either.
    if path.is_file() and path.stat().st_size == 0:
        return "is empty (0 bytes)"
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    # Pillow names the file by its place on this machine, and notes are published.
    reason = reason.replace(repr(str(path)), "it").replace(str(path), path.name)
    reason = reason or type(error).__name__
    return f"cannot be read ({reason})"


def _bring_to_size(picture: Image.Image, size_px: int) -> Picture:
    width, height = picture.size
    # Pillow leaves out bands that a TIFF does not declare as alpha.
    n_stored = int(getattr(picture, "tag_v2", {}).get(TIFF_BANDS, 0))
    unseen = ["band"] * (n_stored > len(picture.getbands()) or "X" in picture.getbands())
    if "A" in picture.getbands() or "transparency" in picture.info:
        layers = np.array(picture.convert("RGBA"))  # (row, col, [red, green, blue, alpha])
        is_clear = layers[..., 3] == 0
        unseen += ["faint"] * bool(((layers[..., 3] > 0) & (layers[..., 3] < 255)).any())
    else:
        layers = np.array(picture.convert("RGB"))
        is_clear = np.zeros(layers.shape[:2], dtype=bool)
    is_clear |= _find_nodata(picture)
    layers[is_clear] = 0
    # After the clear parts are black: resized with alpha, hidden colours would bleed in.
    colours = Image.fromarray(np.ascontiguousarray(layers[..., :3]))
    if colours.size != (size_px, size_px):
        colours = colours.resize((size_px, size_px), Image.Resampling.BILINEAR)
    bands = np.ascontiguousarray(np.asarray(colours, dtype=np.uint8).transpose(2, 0, 1))
    # Last: it goes on to other pages.
    unseen += ["pages"] * (_count_pages(picture) > 1)
    return Picture(bands, width, height, 1.0 - float(is_clear.mean()), tuple(unseen))


def _find_nodata(picture: Image.Image) -> NDArray[np.bool_]:
    """Mark the pixels whose bands all have the value that GDAL declares as nodata, (row, col)."""
    declared = str(getattr(picture, "tag_v2", {}).get(TIFF_NODATA, "")).strip(" \0")
    stored = np.asarray(picture)
    stored = stored.reshape(*stored.shape[:2], -1)
    try:
        return np.asarray((stored == float(declared)).all(axis=2))
    except ValueError:
        # None is declared, or no number.
        return np.zeros(stored.shape[:2], dtype=bool)


def _count_pages(picture: Image.Image) -> int:
    """Count the pages of a file, but for smaller copies of them and masks."""
    n_pages = 0
    for number in range(min(getattr(picture, "n_frames", 1), MAX_PAGES)):
        picture.seek(number)
        part = int(getattr(picture, "tag_v2", {}).get(TIFF_PART, 0))
        n_pages += not part & TIFF_LESSER
    return n_pages
