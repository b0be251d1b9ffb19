"""TOML as people write it: read or refused with a reason, its faults told, and written again."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from basrelief.names import suggest

MAX_BYTES = 2**20
"""A megabyte: a thousand times the longest configuration."""

MAX_SHOWN = 60
"""Letters of a value that a message shows."""

BACKSLASH = (
    '. A backslash begins a sign in "...": write paths with / or in single quotes, as in '
    "'C:\\lidar\\dsm.tif'"
)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ValueError
        Says why it cannot be read.
    """
    try:
        status = path.stat()
        # A device or a pipe would be read for ever.
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
            raise ValueError(f"cannot read this file ({what})")
        if status.st_size > MAX_BYTES:
            raise ValueError(
                f"has {status.st_size / 2**20:.0f} MB, and no such file has more than 1"
            )
        data = path.read_bytes()
    except OSError as error:
        reason = f"{error.strerror or error}{_suggest_file(path)}"
        raise ValueError(f"cannot read this file ({reason})") from error
    return parse_toml(data)


def _suggest_file(path: Path) -> str:
    """Name the file beside a path that was likely meant; empty where none is like it."""
    if path.exists() or not path.parent.is_dir():
        return ""
    found = suggest(path.name, [each.name for each in path.parent.glob("*.toml")]).strip()
    return f"; {found[0].lower()}{found[1:]}" if found else ""


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse TOML in UTF-8, with or without the mark that some editors put before it.

    Raises
    ------
    ValueError
        Says where and why it is not valid.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise ValueError("cannot read this file (it is UTF-16, or no text). Save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"cannot read this file (line {line} is not UTF-8). Save it as UTF-8"
        ) from error
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("not valid TOML: tables or lists lie too deep in each other") from error
    except tomllib.TOMLDecodeError as error:
        lines = text.splitlines()
        hint = BACKSLASH if any("\\" in line for line in _blamed(lines, str(error))) else ""
        raise ValueError(f"not valid TOML: {error}{hint}") from error
    # Of a number with thousands of digits, which Python does not read.
    except ValueError as error:
        raise ValueError("not valid TOML: a number has too many digits") from error


@dataclass(frozen=True)
class Change:
    """A value that stands instead of what a file says."""

    keys: tuple[str, ...]
    """The key, and before it the tables that it lies in."""

    value: Any
    name: str
    """The key as typed."""


def parse_change(text: str) -> Change:
    """Read ``key=value``: a dotted key, and a value of TOML, or a word or path as it is.

    Examples
    --------
    >>> parse_change("chips.size_px=128").value, parse_change("data.dsm=lidar/*.tif").value
    (128, 'lidar/*.tif')
    >>> parse_change('models.weights."resnet18.a1_in1k"=none').keys
    ('models', 'weights', 'resnet18.a1_in1k')

    Raises
    ------
    ValueError
        Says what is missing or broken.
    """
    name, equals, typed = (part.strip() for part in text.partition("="))
    try:
        inner: Any = tomllib.loads(f"{name} = 0")
    except ValueError:
        inner = None
    keys: list[str] = []
    # A line break in it would begin a second key.
    while isinstance(inner, dict) and len(inner) == 1:
        key, inner = next(iter(inner.items()))
        keys.append(key)
    if not equals or inner != 0:
        raise ValueError("give a key and a value, as in --set chips.size_px=128")
    return Change(tuple(keys), _parse_value(typed), name)


def _parse_value(typed: str) -> Any:
    """Read a value as TOML has it; what begins as none is a text."""
    try:
        found = tomllib.loads(f"value = {typed}")
    except (ValueError, RecursionError) as error:
        if typed.startswith(("[", "{", '"', "'")):
            raise ValueError(
                "the value is broken. In a list every text has quotes, and around all of it are "
                'others for the shell: --set \'data.targets=["crime", "health"]\''
            ) from error
        return typed
    return found["value"] if len(found) == 1 else typed


def change_table(table: dict[str, Any], texts: Sequence[str]) -> tuple[Change, ...]:
    """Put values into a table, and into the tables in it that their keys name.

    Parameters
    ----------
    texts
        ``key=value`` each.

    Raises
    ------
    ValueError
        Says what is wrong with which.
    """
    changes = []
    for text in texts:
        try:
            changes.append(parse_change(text))
        except ValueError as error:
            raise ValueError(f"--set {text}: {error}") from error
        (*outer, last), inner = changes[-1].keys, table
        for key in outer:
            # What stands in the way of a table gives way: it is a change, not an addition.
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = changes[-1].value
    return tuple(changes)


def find_dotted(table: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Find a key that was torn at its dots, and its value: in a bare key a dot begins a table.

    >>> find_dotted({"resnet18": {"a1_in1k": "none"}, "vgg16": "none"})
    ('resnet18.a1_in1k', 'none')
    """
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            first, inner = find_dotted(value) or next(iter(value.items()))
            return f"{key}.{first}", inner
    return None


def _blamed(lines: list[str], message: str) -> list[str]:
    """Give the line that a parser's message names."""
    words = message.rpartition("(at line ")[2].split(",")[0]
    at = int(words) - 1 if words.isdigit() else -1
    return lines[at : at + 1] if at >= 0 else []


def tell_fault(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """Say the first of pydantic's complaints: the key, and what is wrong with it.

    Parameters
    ----------
    model
        What was to be filled: its keys are those that are allowed.
    """
    # One line says one thing; the next fault shows once this one is mended.
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        return "", _tell_unknown(where, model)
    # Where a value may be of several types, pydantic's path names the type that it tried.
    key = ".".join(part for part in where if not ("[" in part or "-" in part))
    message = fault["msg"].removeprefix("Value error, ").rstrip(".")
    message = message[0].lower() + message[1:]
    found = f" (found {show(fault['input'])})" if _is_plain(fault["input"]) else ""
    return key, f"{message}{found}"


def tell_typed(
    error: ValidationError, model: type[BaseModel], file: str, changes: Sequence[Change]
) -> str:
    """Say the first of pydantic's complaints in one sentence that begins with what was typed.

    Parameters
    ----------
    file
        Where the values stand, but for ``changes``.
    """
    key, reason = tell_fault(error, model)
    fault = error.errors()[0]
    where = tuple(str(part) for part in fault["loc"])
    own = next((each for each in changes if where[: len(each.keys)] == each.keys), None)
    if own is not None:
        is_text = fault["type"] == "string_type"
        cure = f". A text that looks like none: --set '{own.name}=\"...\"'" if is_text else ""
        return f"--set {own.name}: {reason}{cure}"
    # A table may be at fault as a whole, by what the file has and what was changed.
    near = [f"--set {each.name}" for each in changes if where and each.keys[: len(where)] == where]
    there = " with ".join([file, *near])
    is_unknown = fault["type"] == "extra_forbidden"
    return f"{there}: {reason}" if is_unknown else f"{there}: {key or 'the file'}: {reason}"


def tell_missing(error: ValidationError, table: str, cure: str) -> str:
    """Say that a table is missing, and whether another was meant as it: TOML tells capitals apart.

    Parameters
    ----------
    cure
        What to do where none was.
    """
    # A missing table is complained of first, and what stands there in its place further down.
    others = [str(each["loc"][0]) for each in error.errors() if each["type"] == "extra_forbidden"]
    meant = next((show(key)[1:-1] for key in others if suggest(key, [table])), "")
    return (
        f"no [{table}] table, but [{meant}]: call it [{table}]"
        if meant
        else (f"no [{table}] table. {cure}")
    )


def show(value: Any) -> str:
    """Write a value for a message: in one line, and not all of a long one.

    >>> show("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _tell_unknown(where: list[str], model: type[BaseModel]) -> str:
    """Say which keys are allowed beside one that is not, and which was meant."""
    *tables, key = where
    inner = model
    for table in tables:
        inner = _section(inner, table) or inner
    allowed = sorted(inner.model_fields)
    meant = suggest(key, allowed)
    if not meant:
        sections = {
            name: _section(model, name) for name in model.model_fields if _section(model, name)
        }
        homes = [name for name, section in sections.items() if section and _has(section, key)]
        meant = f" It belongs under [{homes[0]}]." if homes else ""
    full = ".".join([*tables, key])
    return f"unknown key {show(full)}.{meant} Allowed here: {', '.join(allowed)}"


def _has(section: type[BaseModel], key: str) -> bool:
    return key.replace("-", "_") in section.model_fields


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Give the model of a table inside another; None where the key holds no table."""
    if name not in model.model_fields:
        return None
    kind = model.model_fields[name].annotation
    kinds = [kind, *get_args(kind)]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def list_keys(model: type[BaseModel]) -> list[str]:
    """List the keys of a model, those of its tables with the table's name before them."""
    keys = []
    for name in model.model_fields:
        section = _section(model, name)
        keys += [name] if section is None else [f"{name}.{key}" for key in list_keys(section)]
    return keys


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list)


def format_toml(values: dict[str, Any]) -> str:
    """Write values as TOML: those that stand alone first, then one table each of the others.

    Deeper tables are written in one line. There is no None in TOML: leave it out before.

    Examples
    --------
    >>> print(format_toml({"seed": 7, "models": {"weights": {"vgg16": "none"}}}))
    seed = 7
    <BLANKLINE>
    [models]
    weights = { vgg16 = "none" }
    <BLANKLINE>
    """
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}

    def write(pairs: Iterable[tuple[str, Any]]) -> list[str]:
        return [f"{key} = {format_value(value)}" for key, value in pairs]

    lines = write((key, value) for key, value in values.items() if key not in tables)
    for key, table in tables.items():
        lines += ["", f"[{key}]", *write(table.items())]
    return "\n".join(lines) + "\n"


def format_value(value: Any) -> str:
    """Write one value as TOML, a table in one line.

    >>> print(format_value({"resnet18.a1_in1k": "none"}))
    { "resnet18.a1_in1k" = "none" }
    """
    if isinstance(value, dict):
        pairs = [f"{_format_key(key)} = {format_value(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    # A JSON text, number, truth value or list is TOML as well.
    return json.dumps(value, ensure_ascii=False)


def _format_key(key: str) -> str:
    # A dot in a bare key of TOML begins a table of its own.
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
