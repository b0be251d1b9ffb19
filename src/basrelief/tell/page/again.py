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
    return {
        "seed": facts.settings.seed,
        "configuration": format_settings(facts.settings),
        "sources": facts.sources,
        "versions": [*list_versions(), ("Python", platform.python_version())],
        "machine": f"{platform.system()} {platform.machine()}",
    }


def format_settings(settings: Settings) -> str:
    """Write the resolved settings as TOML, as one would give them."""
    # TOML knows no None: a key that is left out says the same.
    return format_toml(settings.model_dump(exclude_none=True))
