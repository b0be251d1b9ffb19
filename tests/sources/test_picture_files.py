"""Pictures are read as they are, or it is said why not; none is opened but as its suffix says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from basrelief.sources.picture_files import open_picture

NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def write_deep_png(path: Path) -> None:
    """A PNG of 16 bits a band and three bands, of which Pillow shows the upper eight bits."""
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    head = (4).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + bytes(range(24)) for _ in range(4))
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_picture_is_read_as_three_bands(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (10, 20, 30, 255)).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", 8)
    assert picture.bands.shape == (3, 8, 8)
    assert picture.bands.dtype == np.uint8
    assert picture.bands[:, 0, 0].tolist() == [10, 20, 30]
    assert (picture.width, picture.height, picture.opaque) == (8, 8, 1.0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_what_is_stored_without_loss_is_read_bit_for_bit(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(NOISE).save(tmp_path / f"a{suffix}")
    bands = open_picture(tmp_path / f"a{suffix}", 64).bands
    np.testing.assert_array_equal(bands.transpose(1, 2, 0), NOISE)


def test_grey_is_three_equal_bands(tmp_path: Path) -> None:
    Image.fromarray(NOISE[..., 0]).save(tmp_path / "a.png")
    bands = open_picture(tmp_path / "a.png", 64).bands
    assert all(np.array_equal(band, NOISE[..., 0]) for band in bands)


def test_a_picture_of_another_size_is_resized_and_tells_its_own(tmp_path: Path) -> None:
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png", 32)
    assert picture.bands.shape == (3, 32, 32)
    assert (picture.width, picture.height) == (8, 16)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_black_whatever_lies_under_it(tmp_path: Path, mode: str) -> None:
    alpha = np.full((64, 64, 1), 255, dtype=np.uint8)
    alpha[:, :48] = 0
    picture = Image.fromarray(np.concatenate([np.maximum(NOISE, 1), alpha], axis=2))
    if mode == "P":
        plain = np.full((64, 64), 3, dtype=np.uint8)
        plain[:, 48:] = 1
        indexed = Image.fromarray(plain).convert("P")
        indexed.putpalette([5, 5, 5, 9, 9, 9, 7, 7, 7, 200, 100, 50])
        indexed.save(tmp_path / "a.png", transparency=3)
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    read = open_picture(tmp_path / "a.png", 64)
    assert read.opaque == 0.25
    assert read.bands[:, :, :48].max() == 0
    assert read.bands[:, :, 48:].min() > 0


def save_as(kind: str) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(NOISE).save(path, format=kind)


def cut_at(keep: float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        Image.fromarray(NOISE).save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(keep if keep >= 1 else keep * len(whole))])

    return cut


def flip(path: Path) -> None:
    Image.fromarray(NOISE).save(path)
    damaged = bytearray(path.read_bytes())
    damaged[200:300] = bytes(100)
    path.write_bytes(damaged)


def claim_to_be_large(path: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(path)


def save_deep(values: NDArray[np.generic]) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path)


def write_page(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>")


UNREADABLE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "nothing in it": ("a.png", cut_at(0), r"is empty \(0 bytes\)"),
    "cut off in its head": ("a.png", cut_at(20), "cannot be read"),
    "cut off at 60 bytes": ("a.png", cut_at(60), "cannot be read"),
    "half a picture": ("a.png", cut_at(0.5), "cannot be read"),
    "most of a picture": ("a.png", cut_at(0.9), "cannot be read"),
    "flipped bytes": ("a.png", flip, "cannot be read"),
    "half a JPEG": ("a.jpg", cut_at(0.5), "cannot be read"),
    "half a TIFF": ("a.tif", cut_at(0.5), "cannot be read"),
    "a JPEG called PNG": ("a.png", save_as("JPEG"), "is a JPEG, and called .png"),
    "a PNG called JPEG": ("a.jpg", save_as("PNG"), "is a PNG, and called .jpg"),
    "EPS called PNG": ("a.png", save_as("EPS"), r"is PostScript \(EPS\), and called .png"),
    "EPS called TIFF": ("a.tif", save_as("EPS"), r"is PostScript \(EPS\), and called .tif"),
    "a web page": ("a.png", write_page, "is a web page"),
    "13,000 px a side": ("a.png", claim_to_be_large, "has 13000 x 13000 px; 5000 x 5000"),
    "16 bits, grey": ("a.png", save_deep(NOISE[..., 0].astype(np.uint16)), "has 16 bits a band"),
    "16 bits, colour": ("a.png", write_deep_png, "has 16 bits a band"),
    "32 bits": ("a.tif", save_deep(NOISE[..., 0].astype(np.float32)), "has 32 bits a band"),
    "16 bits, TIFF": ("a.tif", save_deep(NOISE[..., 0].astype(np.uint16)), "has 16 bits a band"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_is_told_why_it_cannot_be_read(kind: str, tmp_path: Path) -> None:
    name, write, says = UNREADABLE[kind]
    write(tmp_path / name)
    with pytest.raises((OSError, ValueError), match=rf"^{name}: {says}") as told:
        open_picture(tmp_path / name, 64)
    assert "\n" not in str(told.value)
    # Notes are published: where it lies on this machine is nobody's business.
    assert str(tmp_path) not in str(told.value)


def test_no_program_is_started_for_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(NOISE).save(tmp_path / "a.png", format="EPS")
    monkeypatch.setattr(os, "posix_spawn", lambda *_: pytest.fail("started a program"))
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("started a program"))
    with pytest.raises(OSError, match="PostScript"):
        open_picture(tmp_path / "a.png", 64)


def test_text_within_a_picture_is_not_unpacked_without_end(tmp_path: Path) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("comment", "a" * 3_000_000, zip=True)
    Image.fromarray(NOISE).save(tmp_path / "a.png", pnginfo=about)
    with pytest.raises(OSError, match="cannot be read"):
        open_picture(tmp_path / "a.png", 64)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_bytes_changed_at_random_never_end_in_another_error(tmp_path: Path, suffix: str) -> None:
    path, rng = tmp_path / f"a{suffix}", np.random.default_rng(0)
    Image.fromarray(NOISE).save(path)
    content = path.read_bytes()
    for number in range(200):
        spoilt = bytearray(content)
        for at in rng.integers(0, 200 if number % 2 else len(spoilt), rng.integers(1, 12)):
            spoilt[at] = rng.integers(256)
        path.write_bytes(spoilt[: rng.integers(1, len(spoilt))] if number % 3 == 0 else spoilt)
        try:
            picture = open_picture(path, 64)
        except (OSError, ValueError):
            continue
        assert picture.bands.shape == (3, 64, 64)
