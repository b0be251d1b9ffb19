"""Pages that are written from the program: the configuration's keys, the commands, the recipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from basrelief import cli
from basrelief.learn.recipe_files import list_recipes
from basrelief.schema import make_schema
from basrelief.toml import format_value

Entry = dict[str, Any]
"""What a JSON schema says of one key."""

WIDTH = 76
"""Letters in a line of a command's help."""

KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
}


def write_pages(folder: Path) -> None:
    """Write every such page into a folder, from which the pages of the documentation take them."""
    folder.mkdir(exist_ok=True)
    written = {
        "configuration.md": "\n\n".join(write_tables(make_schema())),
        "commands.md": "\n\n".join(write_commands()),
        "recipes.md": write_recipes(),
    }
    for name, text in written.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")


def write_tables(schema: Entry) -> Iterator[str]:
    """Give a section for each table of the configuration, the file's own keys first."""
    for name, table in walk_tables(schema, "", schema):
        heading = f"## `[{name}]`" if name else "## At the top of the file"
        yield f"{heading}\n\n{flatten(table.get('description', ''))}"
        for key, entry in table["properties"].items():
            if not is_table(entry, schema):
                yield write_key(
                    f"{name}.{key}".lstrip("."), entry, key in table.get("required", ())
                )


def walk_tables(table: Entry, name: str, schema: Entry) -> Iterator[tuple[str, Entry]]:
    """Find a table and all tables in it, by the names that a file calls them."""
    yield name, table
    for key, entry in table["properties"].items():
        inner = find_table(entry, schema)
        if inner is not None:
            beside = ".NAME" if "additionalProperties" in entry else ""
            yield from walk_tables(inner, f"{name}.{key}{beside}".lstrip("."), schema)


def find_table(entry: Entry, schema: Entry) -> Entry | None:
    """Give the table that a key holds, or of which it holds several by name; None of a value."""
    several = entry.get("additionalProperties")
    reference = (several if isinstance(several, dict) else entry).get("$ref")
    if reference is None:
        return None
    table: Entry = schema["$defs"][reference.rpartition("/")[2]]
    return table


def is_table(entry: Entry, schema: Entry) -> bool:
    """Whether a key has a section of its own."""
    return find_table(entry, schema) is not None


def write_key(name: str, entry: Entry, is_required: bool) -> str:
    """Give a key, what it means, what it takes, and what it is where it is left out."""
    if "default" in entry:
        default = f"By default `{format_value(entry['default'])}`."
    else:
        default = "Must be given." if is_required else "May be left out."
    means = flatten(entry["description"])
    return f"`{name}`\n: {means}\n\n  *Takes* {describe(entry)}. {default}"


def describe(entry: Entry) -> str:
    """Say in words which values a key takes.

    Examples
    --------
    >>> describe({"type": "integer", "minimum": 32, "maximum": 1024, "multipleOf": 32})
    'a whole number from 32 to 1024, a multiple of 32'
    """
    if "anyOf" in entry:
        # A single word before a list: behind it, it would read as one of the list's own.
        return " or ".join(describe(each) for each in sorted(entry["anyOf"], key=_is_long))
    choices = entry.get("enum") or ([entry["const"]] if "const" in entry else None)
    if choices is not None:
        return " or ".join(f"`{format_value(each)}`" for each in choices)
    if entry["type"] == "array":
        return f"a list{_count(entry)}, each {describe(entry['items'])}"
    if entry["type"] == "object":
        return f"a table of names, each with {describe(entry['additionalProperties'])}"
    return KINDS[entry["type"]] + _bound(entry)


def _is_long(entry: Entry) -> bool:
    return "const" not in entry


def _count(entry: Entry) -> str:
    """Say how many items a list has."""
    least, most = entry.get("minItems", 0), entry.get("maxItems")
    if most is None:
        return f" of {least} or more" if least else ""
    return f" of {least} to {most:,}" if least else f" of up to {most:,}"


def _bound(entry: Entry) -> str:
    """Say between which bounds a number lies."""
    least, most = entry.get("minimum"), entry.get("maximum")
    above, below = entry.get("exclusiveMinimum"), entry.get("exclusiveMaximum")
    if below is not None:
        most = below - 1
    said = f" above {above:g}" if above is not None else ""
    if least is not None:
        said = f" of {least} or more" if most is None else f" from {_show(least)} to {_show(most)}"
    step = entry.get("multipleOf")
    return said + (f", a multiple of {step}" if step else "")


def _show(number: float) -> str:
    """Give a number; a year has no comma."""
    return f"{number:,}" if number >= 10_000 else str(number)


def flatten(text: str) -> str:
    """Give a docstring as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def write_commands() -> Iterator[str]:
    """Give a section for each command: its help, as the terminal shows it."""
    group: Any = typer.main.get_command(cli.app)
    context = open_help(group, "basrelief")
    yield f"## `basrelief`\n\n```text\n{group.get_help(context)}\n```"
    for name, command in group.commands.items():
        shown = command.get_help(open_help(command, name, context))
        yield f"## `basrelief {name}`\n\n```text\n{shown}\n```"


def open_help(command: Any, name: str, parent: Any = None) -> Any:
    """Give what a command needs to show its help, as wide as a page."""
    return command.context_class(
        command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings
    )


def write_recipes() -> str:
    """Give the recipes that the program has, one a line of a table."""
    lines = ["| recipe | unit | what it is |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {each.unit} | {each.about} |" for each in list_recipes()]
    return "\n".join(lines)
