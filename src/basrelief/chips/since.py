"""The change since the last release as a target: two releases of a score, on a scale of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import geopandas as gpd
import pandas as pd

from basrelief.chips.eye_tables import read_place_tables
from basrelief.config import InputError, Settings
from basrelief.eyes import name_eye
from basrelief.names import tidy_text
from basrelief.run import Notes, no_notes
from basrelief.sources.ranks import score_ranks
from basrelief.sources.targets import expand_targets, find_score

SINCE = "_since_last_release"
"""Ends the names of targets that are changes: before it stands the score that changed."""

ENOUGH_BOTH = 30
"""Areas known in both releases from which on a rank among them says something."""


def find_changes(settings: Settings, headings: Collection[str] = ()) -> dict[str, str]:
    """Find which targets are changes, and of what: by target the score that changed.

    Parameters
    ----------
    headings
        Of the table of labels. A column of a user's own that is called so is no change.

    Raises
    ------
    InputError
        If no table is the last release.
    """
    asked = expand_targets(settings.data.targets, ())
    own = {tidy_text(heading) for heading in headings}
    changes = {
        name: name.removesuffix(SINCE)
        for name in asked
        if name.endswith(SINCE) and name != SINCE and name not in own
    }
    if changes and not list_releases(settings):
        raise InputError(
            f"data.targets: {min(changes)!r} needs a table of the last release. Add "
            '[data.tables.last_release] with file and role = "last_release".'
        )
    return changes


def list_releases(settings: Settings) -> list[str]:
    """List the eyes that are the last release, by name."""
    tables = settings.data.tables
    return [name_eye(key) for key, table in tables.items() if table.role is not None]


def measure_changes(
    settings: Settings,
    notes: Notes,
    areas: gpd.GeoDataFrame,
    labels: pd.DataFrame,
    changes: Mapping[str, str],
    left_out: Collection[str] = (),
) -> pd.DataFrame:
    """Measure changes: an area's normal score by its rank now, less the one by its rank then.

    Scores of two releases are on no common scale: indicators, weights and the spread of each
    domain are set anew. What both tell is which area is worse than which, so ranks are taken,
    among the areas here that both releases know. Ranks themselves mean little at the ends; normal
    scores have no ends (`score_ranks`).

    Parameters
    ----------
    areas
        Of the place, by ``area_id``.
    labels
        By ``area_id``, with the columns that ``changes`` name.
    left_out
        Areas of which the releases are read as if no row of theirs stood there.

    Returns
    -------
    By ``area_id`` a column a change, in standard deviations; NaN where either is unknown.

    Raises
    ------
    InputError
        If the release does not have the score, has too few of the areas, or counts the other way
        round.
    """
    # Read once more with the other tables, which say what is odd about it.
    tables = read_place_tables(settings, no_notes(), areas, [], left_out) if changes else {}
    ids = areas["area_id"].tolist()
    found = {}
    for name, score in changes.items():
        eye, before = _find_before(settings, tables, name, score)
        now, then = labels[score].reindex(ids), before.reindex(ids)
        is_both = now.notna() & then.notna()
        _refuse_apart(settings, name, eye, now[is_both], then[is_both])
        change = _score(now[is_both]) - _score(then[is_both])
        found[name] = change.reindex(ids)
        notes.add(
            f"data.targets: {name!r}: the normal score of an area's rank less that of the last "
            f"release ({settings.typed_table(eye).name()}), among the {is_both.sum()} of "
            f"{len(ids)} areas that both know; that it correlates "
            f"{change.corr(_score(then[is_both])):.2f} with the last release is so by construction"
        )
    return pd.DataFrame(found, index=pd.Index(ids, name="area_id"))


def _find_before(
    settings: Settings, tables: Mapping[str, pd.DataFrame], name: str, score: str
) -> tuple[str, pd.Series[float]]:
    """Find which release has a score, and its values by area."""
    releases = list_releases(settings)
    found = [
        (eye, tables[eye][column])
        for eye in releases
        if (column := find_score(list(tables[eye].columns), score)) is not None
    ]
    if len(found) == 1:
        return found[0]
    typed = settings.typed_table(releases[0])
    if found:
        raise InputError(
            f"data.targets: {name!r}: {len(found)} tables of a last release have {score!r}: since "
            "which? Leave it out of the columns of all but one."
        )
    columns = ", ".join(str(column) for eye in releases for column in tables[eye].columns)
    raise InputError(
        f"data.targets: {name!r}: the last release has no {score!r} among its columns ({columns}). "
        f"Add it to {typed.name('columns')}, or take the target out."
    )


def _refuse_apart(
    settings: Settings, name: str, eye: str, now: pd.Series[float], then: pd.Series[float]
) -> None:
    """Stop where two releases have too few areas in common, or count in opposite directions."""
    typed = settings.typed_table(eye)
    if len(now) < ENOUGH_BOTH:
        raise InputError(
            f"data.targets: {name!r}: {typed} knows {len(now)} of the areas with a score here, and "
            f"a change is told among {ENOUGH_BOTH} or more. Give a release of the same areas, or "
            "take the target out."
        )
    # A rank counts from the worst down, and its "change" would be twice the score itself.
    if now.corr(then, method="spearman") < 0:
        raise InputError(
            f"data.targets: {name!r}: areas high now were low in {typed}: one of the two counts "
            "the other way round, as ranks do. Give scores of both."
        )


def _score(values: pd.Series[float]) -> pd.Series[float]:
    """Give the normal scores of values by their ranks, higher where they are."""
    return score_ranks(values.rank(ascending=False), len(values))
