"""What a picture's file says beside its pixels, taken out: who took it, where, with what."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageOps

from basrelief.sources.picture_files import DAMAGE, MAX_PIXELS

ORIENTATION = 274
"""The tag of EXIF that says how a camera was held (TIFF 6.0, Orientation)."""

QUALITY = 95
"""Of a JPEG that has to be written anew because it is turned."""

KEPT = (0xE0, 0xEE)
"""Segments of a JPEG without which its colours are wrong (JFIF, Adobe); other application segments
and comments are what cameras and programs say (ITU T.81, table B.1)."""

START, SCAN = b"\xff\xd8", 0xDA


def strip_metadata(data: bytes) -> tuple[bytes, str]:
    """Take all but pixels out of a JPEG or PNG, and turn it as its camera was held.

    Returns
    -------
    The picture, and its suffix. A JPEG that stands upright keeps its pixels bit for bit.

    Raises
    ------
    ValueError
        If it is no such picture, is damaged, or too large.
    """
    try:
        with Image.open(BytesIO(data), formats=["JPEG", "PNG"]) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"has {width} x {height} px")
            picture.load()
            # Lossless where it can be: each saving blurs what networks look at.
            if picture.format == "JPEG" and picture.getexif().get(ORIENTATION, 1) == 1:
                return _drop_segments(data), ".jpg"
            return _write_anew(picture)
    except DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _write_anew(picture: Image.Image) -> tuple[bytes, str]:
    """Write the pixels of a picture alone, upright."""
    turned = ImageOps.exif_transpose(picture)
    # Through pixels: what a file has beside them travels in ``info``.
    plain = Image.frombytes("RGB", turned.size, turned.convert("RGB").tobytes())
    written = BytesIO()
    if picture.format == "JPEG":
        plain.save(written, "JPEG", quality=QUALITY)
        return written.getvalue(), ".jpg"
    plain.save(written, "PNG")
    return written.getvalue(), ".png"


def _drop_segments(data: bytes) -> bytes:
    """Drop the segments of a JPEG that are neither tables nor pixels."""
    kept, at = [START], 2
    while True:
        # Between segments any number of fill bytes may stand.
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF:
            raise ValueError("its segments are torn")
        marker = data[at + 1]
        if marker == SCAN:
            # From the first scan on there are pixels; what hangs behind the end goes too.
            end = data.rfind(b"\xff\xd9")
            return b"".join([*kept, data[at : end + 2] if end > at else data[at:]])
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        is_application = 0xE0 <= marker <= 0xEF
        is_comment = marker == 0xFE
        if not is_comment and (not is_application or marker in KEPT):
            kept.append(data[at : at + 2 + length])
        at += 2 + length
