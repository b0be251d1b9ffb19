"""What fills templates: one environment for pages and for cards, with the filters that both use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_eval_context
from jinja2.nodes import EvalContext

from basrelief.tell import intervals, words


def open_templates(*wings: str) -> Environment:
    """Open the templates of some wings; a name that a template is not given is an error.

    Parameters
    ----------
    wings
        Folders beside this file, searched in this order. A wing adds filters of its own.
    """
    # Strict: a figure that a template misspells must stop the report, not vanish from it.
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent / wing for wing in wings]),
        finalize=_write_plain,
        autoescape=lambda name: not (name or "").endswith(".md.j2"),  # noqa: S701 - Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = words.format_number
    environment.filters["count"] = words.count
    environment.filters["percent"] = words.format_percent
    environment.filters["interval_name"] = intervals.name_interval
    environment.filters["join_words"] = words.join_words
    environment.filters["target_name"] = words.name_target
    return environment


@pass_eval_context
def _write_plain(context: EvalContext, value: Any) -> Any:
    """Keep names from being markup where a template is Markdown, which lets HTML through."""
    if context.autoescape or not isinstance(value, str):
        return value
    return value.replace("<", "&lt;")
