"""What fills the pages of the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from basrelief.serve.answers import find_base
from basrelief.serve.guard import person_of
from basrelief.serve.tiers import NOBODY


@cache
def _open_templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def fill_page(request: Request, name: str, **told: Any) -> bytes:
    """Fill the template of a page for whoever asks."""
    person = person_of(request)
    template = _open_templates().get_template(name)
    text = template.render(
        base=find_base(request),
        person=None if person == NOBODY else person,
        has_login=request.app.state.settings.oidc is not None,
        **told,
    )
    return text.encode()
