"""How to do it again: settings, input files, and versions."""

from __future__ import annotations

import json
import platform
from typing import Any

from basrelief.config import Settings
from basrelief.tell.facts import Facts
from basrelief.tell.provenance import list_versions


def gather(facts: Facts) -> dict[str, Any]:
    """Gather what a result depends on."""
    return {
        "is_public": facts.is_public,
        "seed": facts.settings.seed,
        "configuration": format_settings(facts.settings),
        "sources": facts.sources,
        "versions": [*list_versions(), ("Python", platform.python_version())],
        "machine": "" if facts.is_public else f"{platform.system()} {platform.machine()}",
    }


def format_settings(settings: Settings) -> str:
    """Write the resolved settings as TOML, as one would give them."""
    values = settings.model_dump(exclude_none=True)
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [f"{key} = {_format(value)}" for key, value in values.items() if key not in tables]
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{name} = {_format(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _format(value: Any) -> str:
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key)} = {_format(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    return json.dumps(value, ensure_ascii=False)
