"""What fills the pages of the server."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from basrelief.serve.answers import HTML, answer, find_base
from basrelief.serve.guard import person_of
from basrelief.serve.tiers import NOBODY


@cache
def _open_templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # Names of runs and of people come from outside, and must not become part of a page.
        autoescape=True,
        # Else a misspelt name leaves a gap in the page that nobody sees.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


MOST_KEPT = 64
"""Pages that are kept, the newest: what everybody asks for is filled once."""


def answer_page(request: Request, tag: str, fill: Callable[[], bytes]) -> Response:
    """Answer with a page: as it was filled before, where nothing that it rests on has changed.

    Parameters
    ----------
    tag
        A hash of what the page rests on, whoever asks included.
    """
    kept: dict[str, bytes] = request.app.state.pages
    if tag not in kept:
        if len(kept) >= MOST_KEPT:
            # The oldest, as a dictionary keeps its order.
            del kept[next(iter(kept))]
        kept[tag] = fill()
    return answer(request, kept[tag], HTML, tag)


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
