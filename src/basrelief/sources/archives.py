"""Zip archives: what they hold, and which are too much to unpack."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from basrelief.config import InputError

BROKEN = (
    *(OSError, EOFError, ValueError, RuntimeError, struct.error),
    *(zipfile.BadZipFile, zlib.error),
)
"""What zipfile raises of a broken or unusual archive, depending on what the damage hits first: a
seek before the file's beginning, a cut end, a name that is no text, a way of packing,
a password."""

MAX_MEMBERS = 60_000
"""Files in an archive. A country's tiles are some ten thousand; each name is read before any."""

BIG_BYTES = 100 * 2**20
"""Unpacked size from which a member is asked how well it packs."""

MAX_RATIO = 200
"""How many times its packed size a big member may be. Heights pack to a quarter, a tile of
twenty parts sea to a hundredth; only what repeats one byte goes beyond."""

MAX_BYTES = 64 * 2**30
"""Unpacked size of one member: the largest raster of a county at 1 m."""

UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
"""Of sizes, the largest first."""

TAIL_BYTES = 65_557
"""Where the record of an archive's end lies: its own size and the longest comment."""


def list_members(path: Path, name: str) -> list[str]:
    """List the files in a zip archive, sorted; what a Mac or a system adds is left out.

    Sorted by name, as files are: which tile wins must not hang on how they were packed.

    Raises
    ------
    InputError
        If it is no archive, is encrypted, or holds more than can be unpacked.
    """
    try:
        _check_count(path, name)
        with zipfile.ZipFile(path) as archive:
            infos = [each for each in archive.infolist() if _is_file(each)]
    except BROKEN as error:
        raise InputError(
            f"{name}: cannot be opened as a zip archive ({error}). Fetch it again."
        ) from error
    # Before any is opened: GDAL unpacks without asking how much it will be.
    for info in infos:
        check_member(info, name)
    if infos and all(info.filename.lower().endswith(".zip") for info in infos):
        raise InputError(
            f"{name}: holds zip archives ({infos[0].filename}), which are not opened inside "
            "another. Unpack it once and give those."
        )
    return sorted(info.filename for info in infos)


def _check_count(path: Path, name: str) -> None:
    """Refuse too many members by the record at an archive's end: listing them takes minutes."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 12:
        return  # zipfile says better what is wrong
    (count,) = struct.unpack("<H", tail[at + 10 : at + 12])
    if count > MAX_MEMBERS:
        raise InputError(f"{name}: holds more than {MAX_MEMBERS:,} files. Unpack what is needed.")


def _is_file(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file of the user's, and not a folder or what a Mac adds."""
    parts = info.filename.split("/")
    # A folder's name ends with a stroke. Not `is_dir`, which asks the last letter of a damaged
    # member's name where there is none.
    return parts[-1][:1] not in ("", ".") and "__MACOSX" not in parts


def check_member(info: zipfile.ZipInfo, name: str) -> None:
    """Refuse a member of an archive that is encrypted, has no proper name, or is made to swell.

    Raises
    ------
    InputError
        Names the archive as ``name`` does, and the member.
    """
    called = f"{name}/{info.filename}"
    # Its name goes into messages, and a terminal obeys what is not printable.
    if not called.isprintable():
        raise InputError(
            f"{name}: holds a file whose name is no text ({info.filename[:40]!r}). Fetch it again."
        )
    if info.flag_bits & 1:
        raise InputError(f"{called}: is encrypted. Unpack the archive and give its files.")
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MAX_BYTES or (info.file_size > BIG_BYTES and ratio > MAX_RATIO):
        raise InputError(
            f"{called}: would unpack from {show_size(info.compress_size)} to "
            f"{show_size(info.file_size)}, which no raster or table does. Fetch the archive "
            "again, or unpack it yourself."
        )


def show_size(n_bytes: float, digits: int = 3) -> str:
    """Write a size in a decimal unit, as disks and services tell theirs.

    Parameters
    ----------
    digits
        As many as are known: estimates have two.

    Examples
    --------
    >>> [show_size(each) for each in (120, 4_236_000, 2.7e9)]
    ['1 kB', '4.24 MB', '2.7 GB']
    """
    unit, size = next((each for each in UNITS if n_bytes >= each[1]), UNITS[-1])
    shown = float(f"{max(n_bytes / size, 1):.{digits}g}")
    # A disk of terabytes is told in thousands of gigabytes, never as 2e+03.
    return f"{shown:,.10g} {unit}"
