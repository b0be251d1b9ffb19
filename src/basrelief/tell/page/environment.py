"""What fills the templates of both pages: filters, the legend of signs, and colours."""

from __future__ import annotations

from jinja2 import Environment
from markupsafe import Markup

from basrelief.style import DARK, LIGHT, OVER_MAPS, PRINT
from basrelief.tell import words
from basrelief.tell.page import audit
from basrelief.tell.senses import SENSES
from basrelief.tell.templates import open_templates


def make_environment(*wings: str) -> Environment:
    """Make what fills the templates of pages in some wings, searched in this order."""
    environment = open_templates(*wings)
    environment.filters["sentence"] = words.open_sentence
    environment.filters["drawn"] = Markup
    environment.filters["tint"] = audit.tint
    environment.globals["senses"] = SENSES
    environment.globals["colours"] = write_colours()
    return environment


def write_colours() -> str:
    """Write the colours of pages as variables of their style: light, dark, and on paper."""
    light, dark, paper = (
        f":root {{ {' '.join(f'--{name}: {colour};' for name, colour in colours.items())} }}"
        for colours in (LIGHT | OVER_MAPS, DARK, PRINT)
    )
    # What prints may be a dark screen: paper comes last.
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {paper} }}"
