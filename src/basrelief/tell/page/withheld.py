"""What the public page leaves out, and why."""

from __future__ import annotations

from typing import Any

from basrelief.tell.facts import Facts
from basrelief.tell.release.gate import MIN_BEHIND
from basrelief.tell.release.withheld import say_basis


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what is withheld; None on the analyst's page, which withholds nothing."""
    if facts.publication is None:
        return None
    # A reason is asked only of whoever hands out chips, and stands only for that.
    publish = facts.settings.publish
    return {
        "publication": facts.publication,
        "basis": say_basis(facts.publication.basis, is_whole=facts.publication.is_whole),
        "min_behind": MIN_BEHIND,
        "reason": publish.reason if publish.allow == "chips" else None,
    }
