"""What fills the templates of both pages: filters, the legend of signs, and colours."""

from __future__ import annotations

from jinja2 import Environment
from markupsafe import Markup

from basrelief.style import write_colours
from basrelief.tell import words
from basrelief.tell.page import audit
from basrelief.tell.senses import SENSES
from basrelief.tell.templates import open_templates


def make_environment(*wings: str) -> Environment:
    """Make what fills the templates of pages in some wings, searched in this order."""
    environment = open_templates(*wings)
    environment.filters["sentence"] = words.open_sentence
    # For what we drew ourselves; all else is escaped, whoever named it.
    environment.filters["drawn"] = Markup
    environment.filters["tint"] = audit.tint
    environment.globals["senses"] = SENSES
    environment.globals["colours"] = write_colours()
    return environment
