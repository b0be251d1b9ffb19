"""Names that people type: what they may be, and how files and spreadsheets have them.

A target, a recipe, an area and a file are named by people. All pass the same check, once, where
they are read; what is written under such a name goes through `name_file`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MAX_LETTERS = 200
"""Longer than any published heading; a page, a legend and a layer can still show it."""

MAX_CODE_LETTERS, MAX_AREA_NAME_LETTERS = 64, 120
"""Of areas: official codes have 12 at most, official names 60. Longer names are cut, and told."""

MAX_FILE_LETTERS = 80
"""Of a file named after something: what stands around it fits into 255 bytes too."""

MAX_PATH_BYTES, MAX_PART_BYTES = 4095, 255
"""What Linux takes for a path and for one of its parts (limits.h)."""

OF_FILES = (
    *(".json", ".toml", ".parquet", ".csv", ".safetensors", ".zarr", ".part", ".tif", ".png"),
    *(".svg", ".qml", ".gpkg", ".geojson", ".html", ".md", ".pmtiles"),
)
"""Endings of what the program writes, and of recipes as files: a folder named so would stand where
a file is to be, or be taken for one."""

DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, whatever ending they have: no file or folder can be called so."""

FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a cell begins that spreadsheets take for a formula (OWASP, CSV injection), guarded or not."""

DATABASE = ("gpkg_", "rtree_", "sqlite_", "layer_styles", "__")
"""How tables and columns begin that a GeoPackage or a Parquet file keeps for itself."""

RESERVED = (
    "area_id",
    "area_name",
    "chip_id",
    "commonest_colour",
    "easting",
    "geometry",
    "ground_covered",
    *("label_year", "flown_from", "flown_to", "years_apart"),
    "is_used",
    "lad",
    "msoa",
    "lad_name",
    "northing",
    "picture",
    "population",
    "same_as",
    "valid",
)
"""Columns of the program's own tables, which no target can be called."""

FIGURE = re.compile(r"observed|predicted|residual|is_inside|(?:lower|upper|low|high)_[0-9]+")
"""What stands behind a target's name in tables of its figures."""


def find_fault(name: str) -> str | None:
    r"""Say what keeps a text from being a name; None where nothing does.

    Parameters
    ----------
    name
        As typed. It goes into pages, tables and maps as it is.

    Examples
    --------
    >>> find_fault("Burglary/1,000 homes"), find_fault("crime\n")
    (None, 'holds a line break or another sign that cannot be seen')
    """
    if not name.strip():
        return "is empty"
    if not name.isprintable():
        return "holds a line break or another sign that cannot be seen"
    if len(name) > MAX_LETTERS:
        return f"has {len(name)} letters; {MAX_LETTERS} are allowed"
    if FORMULA.match(name):
        return f"begins with {name[0]!r}, which spreadsheets take for a formula"
    if name.lower().startswith(DATABASE):
        return "begins as names do that files of maps and tables keep for themselves"
    return None


def find_folder_fault(name: str) -> str | None:
    """Say what keeps a text from naming a folder, as a recipe does; None where nothing does.

    Examples
    --------
    >>> find_folder_fault("dense-vgg16"), find_folder_fault("../escape")
    (None, 'must be letters, digits, ".", "_" and "-", and begin with a letter or digit')
    """
    fault = find_fault(name)
    if fault is not None:
        return fault
    if DEVICES.fullmatch(name):
        return "is a device's name on Windows, where no folder can be called so"
    if name != name_file(name) or not name[0].isalnum():
        return 'must be letters, digits, ".", "_" and "-", and begin with a letter or digit'
    if PurePath(name).suffix.lower() in OF_FILES:
        return f"ends with {PurePath(name).suffix!r}, as a file does"
    return None


def find_target_fault(targets: list[str]) -> str | None:
    """Say which target cannot be called so; None where all can.

    Examples
    --------
    >>> find_target_fault(["crime", "Crime"])
    "'crime' and 'Crime' would be one column in maps and tables; rename one of the columns"
    """
    for name in targets:
        # Files of maps do not tell capitals from small letters.
        if name.lower() in RESERVED:
            return f"{name!r} is a name that the program uses itself; rename the column"
        clash = find_clash(name, targets)
        if clash is not None:
            return (
                f"{name!r} and {clash!r} would be one column in maps and tables; rename one of the "
                "columns"
            )
    return None


def find_clash(name: str, names: list[str]) -> str | None:
    """Find another target whose columns would be called as one of this one's."""
    mine = name.lower()
    for other in names:
        theirs = other.lower()
        is_figure = mine.startswith(f"{theirs}_") and FIGURE.fullmatch(mine[len(theirs) + 1 :])
        if other != name and (mine == theirs or is_figure):
            return other
    return None


VARIABLE = re.compile(r"\$\w+|\$\{\w+\}|%\w+%")
"""How shells of Linux and of Windows write what they fill in; a folder is hardly called so."""


def find_path_fault(path: str) -> str | None:
    r"""Say what keeps a text from being a path or a pattern; None where nothing does.

    Examples
    --------
    >>> find_path_fault("C:\new.csv")
    'holds a control sign; in "..." a backslash begins one: write / or use single quotes'
    """
    fault = find_control_fault(path)
    if fault is not None:
        return fault
    variable = next((part for part in re.split(r"[/\\]", path) if VARIABLE.fullmatch(part)), None)
    if variable is not None:
        return f"has {variable} in it, and variables are not filled in; write what it stands for"
    longest = max((len(part.encode()) for part in PurePath(path).parts), default=0)
    if len(path.encode()) > MAX_PATH_BYTES or longest > MAX_PART_BYTES:
        return f"is too long; {MAX_PART_BYTES} bytes a name and {MAX_PATH_BYTES} in all are allowed"
    return None


def find_control_fault(text: str) -> str | None:
    """Say what keeps a text from being written in one line; None where nothing does."""
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        return 'holds a control sign; in "..." a backslash begins one: write / or use single quotes'
    return None


def name_file(name: str) -> str:
    """Make a part of a file's or a layer's name from a name; others make others.

    Examples
    --------
    >>> name_file("living_environment"), name_file("Crime & disorder / 1,000")
    ('living_environment', 'Crime_disorder_1_000-b5bc2d')
    """
    # Targets may be called so, as votes of a party are; their files may not.
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", letters).strip("._-")[:MAX_FILE_LETTERS]
    if DEVICES.fullmatch(safe):
        safe = safe.partition(".")[0]  # what stands before a dot counts there
    elif name and safe == name:
        return name
    # "a/b" and "a b" must not write over each other.
    return f"{safe or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def tidy_text(text: str) -> str:
    r"""Make one line of a text of a table: breaks and blanks become one blank, ends go.

    >>> tidy_text(" Crime\nScore\u00a0")
    'Crime Score'
    """
    # U+FEFF and U+200B take no room and are no white space to Python.
    return compose(" ".join(text.replace("\ufeff", "").replace("\u200b", "").split()))


def compose(text: str) -> str:
    r"""Write accents in one way: a Mac's programs set them behind their letter, most others not.

    >>> compose("cafe\u0301") == compose("caf\u00e9") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text)


def find_same(name: str, names: Iterable[str]) -> str | None:
    """Find a name among others, as it stands there, whichever way accents are written."""
    return next((each for each in names if compose(each) == compose(name)), None)


def guard_cell(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula; `unguard_cell` undoes it.

    >>> guard_cell("=1+1"), guard_cell("E01000001")
    ("'=1+1", 'E01000001')
    """
    return f"'{text}" if FORMULA.match(text) else text


def unguard_cell(text: str) -> str:
    """Give back what `guard_cell` was given.

    >>> unguard_cell(guard_cell("-5")), unguard_cell("'quoted'")
    ('-5', "'quoted'")
    """
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def guard_table(table: pd.DataFrame) -> pd.DataFrame:
    """Guard the texts, headings and index of a table that is written for spreadsheets."""
    return _map_texts(table, guard_cell)


def unguard_table(table: pd.DataFrame) -> pd.DataFrame:
    """Give back the table that `guard_table` was given."""
    return _map_texts(table, unguard_cell)


def _map_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Change what is text, by type: numbers below 0 begin with a minus too, and are numbers."""

    def change_text(cell: Any) -> Any:
        return change(cell) if isinstance(cell, str) else cell

    changed = table.rename(columns=change_text)
    if not table.index.inferred_type.startswith(("int", "float")):
        changed = changed.rename(index=change_text)
    for at, kind in enumerate(changed.dtypes):
        if str(kind) in ("object", "category", "str", "string"):
            column = changed.iloc[:, at].astype(object)
            changed.isetitem(at, column.map(change_text, na_action="ignore").array)
    return changed


def suggest(name: str, known: Iterable[str]) -> str:
    """Ask whether the likest of known names was meant; empty where none is like it.

    Examples
    --------
    >>> suggest("min-valid", ["min_valid", "size_px"])
    ' Did you mean min_valid?'
    """
    by_plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=0.6)
    return f" Did you mean {by_plain[found[0]]}?" if found else ""


def _plain(name: str) -> str:
    # Compared in time that grows with the square of the length.
    return name[:MAX_LETTERS].lower().replace("-", "_").replace(" ", "_")
