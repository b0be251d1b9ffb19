"""Which picture a row of a table means: by its id, its number, or where it was kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from basrelief.config import InputError
from basrelief.names import compose

PREFIX = "LIDAR_"
"""How the coursework's picture names begin, before the id; in capitals or not."""

WHOLE = re.compile(r"([0-9]+)\.0*")

GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.0*)?")
"""A whole number with its thousands set apart, as spreadsheets show it."""


@dataclass(frozen=True)
class Found:
    """The pictures of rows, (row,), and how they were found."""

    files: list[PurePosixPath | None]
    """Within the folder of pictures; None where a row has none."""

    ids: list[str]
    """As the table has them, or as the files do."""

    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Index:
    """The pictures of a folder, by what a table may call them."""

    where: str
    """The folder, as messages name it."""

    by_id: dict[str, list[PurePosixPath]]
    by_number: dict[str, list[PurePosixPath]]
    """By the number that an id is, without zeros before it."""

    by_end: dict[str, list[PurePosixPath]]
    """By each of `list_ends`."""


def index_pictures(where: str, files: Sequence[PurePosixPath]) -> Index:
    """List pictures, by their paths within their folder, under all that a table may call them."""
    index = Index(where, {}, {}, {})
    for file in files:
        own = name_id(file.name)
        index.by_id.setdefault(own, []).append(file)
        # Python takes digits of any script for numbers; no file is called so.
        if own.isascii() and own.isdigit():
            index.by_number.setdefault(_strip_zeros(own), []).append(file)
        for end in list_ends(str(file)):
            index.by_end.setdefault(end, []).append(file)
    return index


def find_by_id(index: Index, typed: Sequence[str]) -> Found:
    """Find pictures by the ids of rows, else by the numbers that these are.

    Raises
    ------
    InputError
        If several pictures have a row's id.
    """
    ids = [_tidy_number(each) for each in typed]
    files = [_pick(index, index.by_id.get(own, [])) for own in ids]
    by_number, grouped = [], []
    for row, own in enumerate(ids):
        if files[row] is None and GROUPED.fullmatch(own):
            plain = _tidy_number(own.replace(",", ""))
            files[row] = _pick(index, index.by_id.get(plain, []))
            if files[row] is not None:
                grouped.append(f"{own!r} is {plain}")
        # A spreadsheet takes off the zeros that a file's name has.
        same = index.by_number.get(_strip_zeros(own), []) if own.isdigit() else []
        if files[row] is None and len(same) == 1:
            files[row] = same[0]
            by_number.append(f"{own!r} is {same[0].name}")
    remarks = []
    if by_number:
        remarks.append(
            f"{len(by_number)} ids are found by their number, whatever zeros stand before it: "
            f"{by_number[0]}"
        )
    if grouped:
        remarks.append(
            f"{len(grouped)} ids have commas between thousands, and are found without them: "
            f"{grouped[0]}"
        )
    return Found(files, _name_rows(index, files, ids), tuple(remarks))


def find_by_location(index: Index, typed: Sequence[str]) -> Found:
    """Find pictures by the ends of the paths where they were kept.

    Raises
    ------
    InputError
        If several pictures end as a row says.
    """
    files, ids = list[PurePosixPath | None](), list[str]()
    for location in typed:
        # Paths written on Windows have backslashes, which are no separators elsewhere.
        path = location.strip().replace("\\", "/")
        own = name_id(PurePosixPath(path).name)
        # The longest end says most: two folders may hold a picture of one name.
        same = [index.by_end[end] for end in list_ends(path) if end in index.by_end]
        files.append(_pick(index, same[0] if same else index.by_id.get(own, [])))
        ids.append(own)
    return Found(files, _name_rows(index, files, ids))


def _name_rows(
    index: Index, files: Sequence[PurePosixPath | None], ids: Sequence[str]
) -> list[str]:
    """Give rows the ids of their pictures; with their folder where others have the same."""
    named = []
    for file, typed in zip(files, ids, strict=True):
        own = typed if file is None else name_id(file.name)
        # Ids name rows of all tables that follow, so that no two may be alike.
        is_shared = file is not None and len(index.by_id[own]) > 1
        named.append(str(file.parent / own) if file is not None and is_shared else own)
    return named


def _pick(index: Index, same: Sequence[PurePosixPath]) -> PurePosixPath | None:
    if len(same) > 1:
        raise InputError(
            f"{index.where}: {str(same[0])!r} and {str(same[1])!r} are both called as a row says. "
            "Rename or remove one, or name them with their folders in a column image_location."
        )
    return same[0] if same else None


def name_id(name: str) -> str:
    """Take the id out of a picture's file name.

    Examples
    --------
    >>> name_id("LIDAR_12.png"), name_id("lidar_0007.PNG"), name_id("12.png")
    ('12', '0007', '12')
    """
    stem = PurePosixPath(compose(name)).stem
    return stem[len(PREFIX) :] if stem.upper().startswith(PREFIX) else stem


def list_ends(path: str) -> list[str]:
    """List what a path ends with, the longest first, without suffix and whatever the case.

    Examples
    --------
    >>> list_ends("C:/x/LIDAR_1.png")
    ['c:/x/lidar_1', 'x/lidar_1', 'lidar_1']
    """
    *folders, name = PurePosixPath(compose(path)).parts or ("",)
    parts = [*folders, PurePosixPath(name).stem if name else ""]
    return ["/".join(parts[at:]).lower() for at in range(len(parts)) if parts[-1]]


def count_matches(found: Found | None) -> int:
    """Count the rows that have a picture."""
    return 0 if found is None else sum(file is not None for file in found.files)


def list_disagreements(one: Found, other: Found) -> Iterable[int]:
    """List the rows that two ways of finding give different pictures."""
    pairs = zip(one.files, other.files, strict=True)
    return [row for row, (a, b) in enumerate(pairs) if a is not None and b is not None and a != b]


def _tidy_number(text: str) -> str:
    """Write a whole number as one: software that met a gap in a column saves 12 as 12.0."""
    text = compose(text.strip())
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _strip_zeros(number: str) -> str:
    return number.lstrip("0") or "0"
