"""Whose the inputs of a run are: as kept when they were fetched, or whose they usually are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from basrelief.config import InputError, Settings
from basrelief.run import Record, read_json
from basrelief.sources.areas import list_names
from basrelief.sources.census import COUNTRIES, COUNTRY_BY_LETTER
from basrelief.sources.countries import Country, find_letters
from basrelief.sources.england import ENGLAND, METROPOLITAN_POLICE
from basrelief.sources.inputs import CREDITS, expand_pattern, list_typed
from basrelief.sources.licences import YEAR, Credit

LIDAR_KEYS = ("dsm", "dtm", "images")
BOUNDARY_KEYS = ("areas", "lookup", "table")
INDEX_KEYS = ("labels", "table")
"""Keys of ``[data]`` with what is made of a country's LIDAR, has the codes of its areas, or its
index."""


SCENE_NAMES = re.compile(r"(?:^|_)(?:S2[A-D]_|T\d\d[A-Z]{3}_).*?(?<!\d)(?P<year>20\d\d)\d{4}(?!\d)")
"""Names of Sentinel-2's scenes, whole (``S2A_30UXC_20210612``) or by tile (``T30UXC_20210612``)."""

COPERNICUS = Credit(
    "the European Union's Copernicus programme",
    "Copernicus Sentinel data terms",
    f"Contains modified Copernicus Sentinel data {YEAR}.",
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
)
"""Whose Sentinel-2's scenes are; its terms ask for these words beside what is made of them."""


ALPHAEARTH = Credit(
    "Google and Google DeepMind",
    "CC BY 4.0",
    "The AlphaEarth Foundations Satellite Embedding dataset is produced by Google and Google "
    "DeepMind.",
    "https://developers.google.com/earth-engine/datasets/catalog/GOOGLE_SATELLITE_EMBEDDING_V1_ANNUAL",
)
"""Whose embeddings in AlphaEarth's coding are."""


MAX_AUTHORS = 100
"""Authors of street pictures who are named on a page; the table of the run names all."""

SERVICES = {
    "Mapillary": "https://www.mapillary.com/terms",
    "KartaView": "https://kartaview.org/terms",
    "Geograph": "https://www.geograph.org.uk/help/freedom",
}
"""Where services of street pictures say on which terms these are."""


@dataclass(frozen=True)
class InputCredits:
    """Whose the inputs of a run are, each publisher once."""

    known: tuple[Credit, ...] = ()
    """Of files that were fetched and are as they came."""

    usual: tuple[Credit, ...] = ()
    """Of whose the other files usually are, which nobody checked."""

    told: tuple[Credit, ...] = ()
    """Of street pictures, as their tables say it."""

    @property
    def words(self) -> list[tuple[str, str]]:
        """Each source, and the words to set beside what is derived from it; what is known first."""
        return [(each.source, each.words) for each in (*self.known, *self.told, *self.usual)]


def find_credits(settings: Settings, area_ids: Iterable[str | None]) -> InputCredits:
    """Find whose the inputs of a run are.

    A ``credits.json`` in the folder of an input or above it says so of the files that it lists;
    the pages of the countries say whose the others usually are.

    Parameters
    ----------
    area_ids
        Codes of the run's areas: their first letters tell the country.
    """
    ledgers: dict[Path, Mapping[Path, Credit]] = {}
    known: dict[Credit, None] = {}
    others = set()
    photos: list[str] = []
    for key, typed in list_typed(settings):
        files = [path for path, _ in expand_pattern(typed.value, typed.path)]
        found = [_find_kept(path.absolute(), ledgers) for path in files]
        known |= {credit: None for credit in found if credit is not None}
        if key == "photo":
            photos = [path.name for path, kept in zip(files, found, strict=True) if kept is None]
        # A folder, or files that are no longer there: nobody said whose they were.
        if None in found or not found:
            others.add(key)
    usual = [each for country in _find_countries(area_ids) for each in _list_usual(country, others)]
    police = [METROPOLITAN_POLICE] if "crime" in others else []
    usual += [*police, *_credit_photos(photos)]
    embedding = settings.data.embedding
    if "embedding" in others and embedding is not None and embedding.coding == "alphaearth":
        usual.append(ALPHAEARTH)
    return InputCredits(tuple(known), tuple(dict.fromkeys(usual)))


def name_years(found: InputCredits, flown: int | None, used: int) -> InputCredits:
    """Name the years that statements ask for.

    Parameters
    ----------
    flown
        Last year of flight, where it is known: that of heights.
    used
        Year in which the data were used: that of all others, as of heights of unknown years.
    """

    def complete(credit: Credit) -> Credit:
        return credit.in_year(flown or used if "LIDAR" in credit.source else used)

    return replace(
        found,
        known=tuple(map(complete, found.known)),
        usual=tuple(map(complete, found.usual)),
    )


def credit_street(terms: Iterable[Record]) -> tuple[Credit, ...]:
    """Credit street pictures: a line for each service and licence, with who took them.

    Parameters
    ----------
    terms
        As ``chips.json`` has them: ``service``, ``licence``, ``n_pictures``, ``authors``.

    Examples
    --------
    >>> own = {"service": "Mapillary", "licence": "CC BY-SA 4.0", "authors": ["ann", "bob"]}
    >>> [credit.words for credit in credit_street([own])]
    ['Street pictures of Mapillary by ann, bob, CC BY-SA 4.0.']
    """
    credits = []
    for each in terms:
        service, licence = each["service"], each["licence"]
        source = f"Street pictures{f' of {service}' if service else ''}"
        authors = list_names(each["authors"], limit=MAX_AUTHORS) or "unnamed authors"
        said = licence or "their licence is not said"
        credits.append(
            Credit(source, said, f"{source} by {authors}, {said}.", SERVICES.get(service, ""))
        )
    return tuple(credits)


def _credit_photos(names: Iterable[str]) -> list[Credit]:
    """Credit photos whose names are those of Sentinel-2's scenes; of others nothing is usual."""
    scenes = [match for name in names if (match := SCENE_NAMES.search(name))]
    if not scenes:
        return []
    # The terms ask for the years of the data, all of them.
    years = ", ".join(sorted({match["year"] for match in scenes}))
    return [replace(COPERNICUS, statement=COPERNICUS.statement.replace(YEAR, years))]


def _find_countries(area_ids: Iterable[str | None]) -> list[Country]:
    """Find of which countries areas are, by their codes."""
    codes = [code for code in area_ids if isinstance(code, str)]
    letters = find_letters(codes)
    found = [country for letter, country in COUNTRY_BY_LETTER.items() if letter in letters]
    # A page that shows no area has no code to tell by; then all are credited and none forgotten.
    return found or ([ENGLAND] if codes else list(COUNTRIES))


def _list_usual(country: Country, keys: set[str]) -> list[Credit]:
    """List whose the inputs of a country usually are, for some keys of ``[data]``."""
    pairs = (
        (LIDAR_KEYS, country.lidar),
        (INDEX_KEYS, country.index.credit),
        (BOUNDARY_KEYS, country.boundaries),
    )
    return [credit for own, credit in pairs if keys.intersection(own)]


def _find_kept(path: Path, ledgers: dict[Path, Mapping[Path, Credit]]) -> Credit | None:
    """Find what was kept of a file when it was fetched; of several folders, the nearest says."""
    for folder in path.parents:
        if folder not in ledgers:
            ledgers[folder] = _read_ledger(folder)
        if path in ledgers[folder]:
            return ledgers[folder][path]
    return None


def _read_ledger(folder: Path) -> Mapping[Path, Credit]:
    """Read which files of a folder were fetched and are as they came, and whose they are."""
    if not (folder / CREDITS).is_file():
        return {}
    try:
        listed = read_json(folder / CREDITS)
        return {
            folder / each["file"]: Credit(**each["credit"])
            for each in listed
            # By size and not by hash: tiles are gigabytes, and the report reads none of them. A
            # file that was put in another's place is somebody else's.
            if _weigh(folder / each["file"]) == each["n_bytes"]
        }
    # Another program's file of this name; and whose the files usually are is better than none.
    except (InputError, OSError, KeyError, TypeError):
        return {}


def _weigh(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
