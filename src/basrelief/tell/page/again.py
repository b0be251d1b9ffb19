"""How to do it again: settings, input files, and versions."""

from __future__ import annotations

import platform
from typing import Any

from basrelief.config import Settings
from basrelief.tell.facts import Facts
from basrelief.tell.provenance import list_versions
from basrelief.toml import format_toml


def gather(facts: Facts) -> dict[str, Any]:
    """Gather what a result depends on."""
    has_seed = facts.publication is None or facts.publication.is_whole
    return {
        "is_public": facts.is_public,
        "seed": facts.settings.seed if has_seed else None,
        "configuration": format_settings(facts.settings, has_seed=has_seed),
        "sources": facts.sources,
        "versions": [*list_versions(), ("Python", platform.python_version())],
        # Which machine it was says something of whoever works on it.
        "machine": "" if facts.is_public else f"{platform.system()} {platform.machine()}",
    }


def format_settings(settings: Settings, *, has_seed: bool = True) -> str:
    """Write the resolved settings as TOML, as one would give them."""
    # TOML knows no None: a key that is left out says the same.
    values = settings.model_dump(exclude_none=True, exclude=None if has_seed else {"seed"})
    return format_toml(values)
