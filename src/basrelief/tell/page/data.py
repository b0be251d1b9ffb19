"""The data: what was counted and left out, where it lies, and how scores spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from basrelief.chips.describe import draw_daily_crimes, draw_histogram
from basrelief.chips.store import EMBEDDING, PHOTO, STREET
from basrelief.run import Record
from basrelief.sources.flights import FLIGHTS
from basrelief.tell.facts import Facts, Panel
from basrelief.tell.page import drawn_maps
from basrelief.tell.page.looks import embed_picture
from basrelief.tell.words import count, format_number, join_words, name_target

COUNT_NAMES = {
    "pictures": "pictures in the folder",
    "rows": "rows in the table",
    "pictures_without_row": "pictures without a row, left out",
    "rows_without_picture": "rows without a picture, left out",
    "duplicate_rows": "ids given twice in the table, the first kept",
    "matched": "pictures with a row",
    "unreadable": "pictures that could not be read, left out",
    "one_colour": "pictures of one colour, left out",
    "near_one_colour": "pictures of nearly one colour, kept",
    "used": "pictures used",
    "tiles": "surface tiles",
    "terrain_tiles": "terrain tiles",
    "chips": "squares cut (chips)",
    "chips_used": "chips with enough ground for a network",
    "areas": "areas touched",
    "areas_labelled": "areas with a score",
    "areas_untimely": "areas flown too long from their scores, left out",
    "areas_used": "areas with a score and enough ground",
}

OF_AREAS = {"areas", "areas_labelled"}
"""All that is counted of a run without rasters and pictures."""

COLUMN_NAMES = {
    "std": "standard deviation",
    "25%": "lower quartile",
    "50%": "median",
    "75%": "upper quartile",
}


def gather(facts: Facts) -> dict[str, Any]:
    """Gather counts, distributions, the summary table and what was left out."""
    described = facts.described
    summary = described.summary
    return {
        "pictures": [*_draw_areas(facts), *_draw_scores(facts)],
        "flights": say_flights(facts.samples.areas) if facts.settings.data.has_rasters else "",
        "overlays": say_overlays(described.overlays),
        "daily": _show_daily_crimes(described.daily_crimes),
        "counts": list_counts(described.counts),
        "one_colour": described.one_colour,
        "notes": described.notes,
        "columns": [COLUMN_NAMES.get(column, column) for column in summary.columns],
        "summary": list_summary(summary),
        "removal": _list_removal(described.removal),
        "one_band": _show_one_band(described.one_band),
    }


def list_counts(counts: Record) -> list[tuple[str, int]]:
    """Name what was counted; what nobody gave or asked for is not worth a line."""
    # Where no tile touches any they are those with a row in the table of scores.
    names = COUNT_NAMES if counts.keys() - OF_AREAS else COUNT_NAMES | {"areas": "areas"}
    return [
        (name, counts[key])
        for key, name in names.items()
        # Of other counts 0 is news: that nothing was unreadable, for one.
        if key in counts and (counts[key] or key not in ("terrain_tiles", "areas_untimely"))
    ]


def say_flights(areas: pd.DataFrame) -> str:
    """Say when the ground of the areas that count was flown, and how far from their scores.

    Parameters
    ----------
    areas
        With ``is_used`` and the columns of `FLIGHTS`.
    """
    is_used = areas["is_used"].astype(bool)
    # Of a place whose labels alone are shown nothing else may be known.
    used = areas.loc[is_used].reindex(columns=list(FLIGHTS))
    last, first = used["flown_to"].dropna(), used["flown_from"].dropna()
    if last.empty:
        return (
            "When the ground was flown is not known: neither the names of the rasters nor an index "
            "of tiles beside them says so."
        )
    # Of what was put together from many surveys only the end is known.
    least = f"from {first.min():.0f} to" if len(first) == len(last) else "until"
    n_unknown = len(used) - len(last)
    rest = f"; of {n_unknown} it is not known" if n_unknown else ""
    flown = f"The ground of {count(len(last), 'area')} was flown {least} {last.max():.0f}{rest}."
    years, apart = used["label_year"].dropna(), used["years_apart"].dropna()
    if years.empty:
        return f"{flown} Of which year the scores are is not known."
    return f"{flown} The scores are of {years.iloc[0]:.0f}" + (
        f": at most {apart.max():.0f} years lie between an area's flight and its score."
        if len(apart)
        else "."
    )


def say_overlays(overlays: Mapping[str, Record]) -> str:
    """Say what is looked at beside heights; empty where there is nothing.

    Parameters
    ----------
    overlays
        By what is looked at, as ``chips/chips.json`` has it.

    Examples
    --------
    >>> photo = {"n_files": 2, "cell_m": 10.0, "bands": ["red", "green", "blue"]}
    >>> say_overlays({"photo": photo | {"dates": ["2021-06-12"], "n_undated": 1}})[:59]
    'A photo is looked at too: 2 files, cells of 10 m, bands red'
    """
    told = {PHOTO: _say_photo, EMBEDDING: _say_embedding, STREET: _say_street}
    return " ".join(told.get(name, _say_layer)(overlay) for name, overlay in overlays.items())


def _say_layer(overlay: Record) -> str:
    """Say what a layer is of which nothing else is to be said."""
    return f"{_count_files(overlay)}, cells of {overlay['cell_m']:g} m, are looked at too."


def _count_files(overlay: Record) -> str:
    return count(overlay["n_files"], "file")


def _say_street(street: Record) -> str:
    """Say how many street pictures there are, and when they were taken.

    Parameters
    ----------
    street
        As ``chips/chips.json`` has it.

    Examples
    --------
    >>> street = {"n_pictures": 940, "from": "2018", "to": "2020-11", "n_undated": 3}
    >>> _say_street(street | {"kept_because": None})[65:131]
    'They were taken from 2018 to 2020-11; of 3 it is not known. An are'
    """
    told = f"Street pictures are looked at too: {street['n_pictures']:,} of them lie in the areas."
    if street["from"] is None:
        taken = "When they were taken is not known."
    else:
        unknown = f"; of {street['n_undated']:,} it is not known" if street["n_undated"] else ""
        taken = f"They were taken from {street['from']} to {street['to']}{unknown}."
    because = street["kept_because"]
    kept = f"They were kept, because: {because}" if because else "They were not kept."
    return (
        f"{told} {taken} An area is told by what is pooled over those inside it, so that there is "
        f"no map of cells of what they show. {kept}"
    )


def _say_embedding(embedding: Record) -> str:
    """Say what precomputed embeddings are."""
    files = _count_files(embedding)
    return (
        f"Precomputed embeddings of satellite pictures are looked at too: {files}, cells of "
        f"{embedding['cell_m']:g} m, {len(embedding['bands'])} numbers each, which mean nothing "
        "one by one. Of which year they are their files do not say."
    )


def _say_photo(photo: Record) -> str:
    """Say what a photo of the place is, and when it was taken."""
    files = _count_files(photo)
    told = (
        f"A photo is looked at too: {files}, cells of {photo['cell_m']:g} m, bands "
        f"{join_words(photo['bands'])}; of what several files show, the median."
    )
    dates, n_undated = photo["dates"], photo["n_undated"]
    if not dates:
        return f"{told} When it was taken is not known."
    when = f"on {dates[0]}" if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}"
    return (
        f"{told} It was taken {when}"
        f"{f'; of {n_undated} files it is not known' if n_undated else ''}."
    )


def list_summary(summary: pd.DataFrame) -> list[tuple[str, Sequence[float]]]:
    """List each target by its name, with its row of the summary."""
    return [(name_target(str(target)), list(row)) for target, row in summary.iterrows()]


def _list_removal(removal: pd.DataFrame | None) -> list[tuple[str, str, list[float]]]:
    """List each score over all pictures and over those kept, by its name."""
    if removal is None:
        return []
    names = [name_target(str(target)) for target in removal["target"]]
    values = removal.drop(columns=["target", "rows"]).to_numpy(np.float64).tolist()
    return list(zip(names, removal["rows"].astype(str), values, strict=True))


def _show_one_band(path: Path | None) -> Panel | None:
    """Show a picture beside its brightness alone; None of rasters, whose heights are one band."""
    if path is None:
        return None
    caption = (
        "The first picture as it was given (left), and its brightness alone, as one band in a "
        "colour map (right): dark blue is dark, yellow is bright, and grey lies between."
    )
    return Panel(embed_picture(path, caption), caption)


def _draw_areas(facts: Facts) -> list[Panel]:
    """Draw which areas count, or which are shown; nothing of pictures, whose place is unknown."""
    if not facts.samples.has_places:
        return []
    areas = facts.samples.areas
    n_used = int(areas["is_used"].sum())
    rest = len(areas) - n_used
    caption = f"{count(n_used, 'area')} used (filled); {count(rest, 'other')} touched."
    alt = f"Map of {count(len(areas), 'area')}, {n_used} of them with enough ground to be used."
    return [Panel(drawn_maps.draw_coverage(areas, alt), caption)]


def _draw_scores(facts: Facts) -> list[Panel]:
    """Draw how many areas, or pictures, have which score."""
    unit, panels = "areas" if facts.samples.has_places else "pictures", []
    for target in facts.samples.targets:
        values = facts.labels[target].to_numpy(np.float64)
        # A target may be known in areas that do not count, and in none that does.
        if not np.isfinite(values).any():
            continue
        low, mean, high = np.nanmin(values), np.nanmean(values), np.nanmax(values)
        alt = (
            f"Histogram of {name_target(target)} over {np.isfinite(values).sum()} {unit}: from "
            f"{format_number(low)} to {format_number(high)}, mean {format_number(mean)}."
        )
        caption = (
            f"{name_target(target).capitalize()}: how many {unit} have which score, and a density "
            "by Gaussian kernels."
        )
        panels.append(Panel(draw_histogram(values, name_target(target), unit, alt), caption))
    return panels


def _show_daily_crimes(counted: pd.DataFrame | None) -> dict[str, Any] | None:
    """Draw recorded crimes a day by borough and category; None where no counts were given."""
    if counted is None:
        return None
    daily = counted.astype(np.float64)
    # Colours step by ratios, and zeros alone have none.
    if not (daily > 0).any(axis=None):
        return None
    categories = [str(column).replace("_", " ") for column in daily.columns]
    caption = (
        f"Recorded crimes a day in {len(daily)} boroughs by category, the most crimes first. "
        "Colours step by ratios, so that rare crimes can be seen beside common ones."
    )
    alt = f"Chart. {caption} Categories: {', '.join(categories)}."
    return {
        "panels": [Panel(draw_daily_crimes(daily, alt), caption)],
        "categories": ["all", *categories],
        # The sum first: boroughs are in order of it.
        "rows": [(str(name), [float(row.sum()), *row]) for name, row in daily.iterrows()],
    }
