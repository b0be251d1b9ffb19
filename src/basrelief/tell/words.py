"""Names of targets, schemes and places, and how numbers are written, in everything that is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import floor, isnan, log10

from basrelief.chips.since import SINCE
from basrelief.config import Settings
from basrelief.learn.knowledge import LIDAR, sees_lidar
from basrelief.run import Record
from basrelief.sources.ranks import SUFFIX
from basrelief.sources.targets import BY_DISTRICT, DOMAINS

TARGET_NAMES = {
    "imd": "multiple deprivation",
    "barriers": "barriers to housing and services",
    "idaci": "income deprivation among children",
    "idaopi": "income deprivation among older people",
    "anti_social_behaviour": "anti-social behaviour",
}


HELD_OUT = {
    "random": "a random split of chips",
    "area": "whole areas held out",
    "msoa": "whole MSOAs held out",
    "lad": "whole districts held out",
}
"""How a scheme holds out, to follow the word "with"; blocks are named by their size."""

RECIPE_NAMES = {
    "mean": "always predicting the mean",
    "place-alone": "place alone",
    "place-and-district": "place and district without LIDAR",
    "district-mean": "the district's mean",
    "area-size": "the area's size",
}
"""What needs no LIDAR, as a sentence names it; a recipe goes by its own name."""

KNOWN_NAMES = {
    "heights": "LIDAR",
    "pictures": "LIDAR",
    "photo": "the photo",
    "embedding": "the embeddings",
    "street": "street pictures",
    "place": "place",
    "district": "district",
    "size": "size",
}
"""What a recipe knows, by its code in ``evaluate/recipes.json``; a table goes by its own name."""

HOW_NAMES = {"features": "how LIDAR is read", "learner": "what learns"}
"""What two recipes can differ in beside what they know, by its code in comparisons."""

MANY_TARGETS, MAX_PLACES = 4, 8
"""From so many targets on a report is of deprivation, and so many districts can be named."""


def name_target(target: str) -> str:
    """Name a target as a person would.

    Examples
    --------
    >>> name_target("living_environment"), name_target("imd")
    ('living environment', 'multiple deprivation')
    >>> name_target("imd_from_rank")
    'multiple deprivation (normal score of its rank)'
    >>> name_target("crime_since_last_release")
    'crime since the last release (change of normal score)'
    """
    if target.endswith(SINCE):
        score = name_target(target.removesuffix(SINCE))
        return f"{score} since the last release (change of normal score)"
    if target.endswith(SUFFIX):
        return f"{name_target(target.removesuffix(SUFFIX))} (normal score of its rank)"
    return TARGET_NAMES.get(target, target.replace("_", " "))


def name_recipe(recipe: str) -> str:
    """Name a recipe or a baseline in a sentence.

    Examples
    --------
    >>> name_recipe("place-and-district"), name_recipe("dense-vgg16")
    ('place and district without LIDAR', 'dense-vgg16')
    """
    return RECIPE_NAMES.get(recipe, recipe)


def name_each(codes: Sequence[str]) -> list[str]:
    """Name each thing that a recipe knows, by its code; LIDAR is one however it is seen.

    Examples
    --------
    >>> name_each(["heights", "place", "district"])
    ['LIDAR', 'place', 'district']
    """
    names = KNOWN_NAMES | HOW_NAMES
    # What has no name yet is told by its code: left out, it would pass for no difference.
    return list(dict.fromkeys(names.get(code, code.replace("_", " ")) for code in codes))


def name_layer(layer: str) -> str:
    """Name a layer that a recipe looks at.

    Examples
    --------
    >>> name_layer("heights"), name_layer("photo")
    ('the heights', 'the photo')
    """
    # Two recipes may both read LIDAR, and one its heights and the other its pictures.
    return "the heights" if layer == "heights" else name_each([layer])[0]


def list_apart(record: Record) -> list[str]:
    """List the codes of all that two compared recipes differ in, known or done.

    Examples
    --------
    >>> list_apart({"differs_in": ["place"], "differs_how": ["learner"]})
    ['place', 'learner']
    """
    return [*record["differs_in"], *record.get("differs_how", ())]


def name_known(codes: Sequence[str]) -> str:
    """Name what a recipe knows, or what two differ in, as a sentence does.

    Examples
    --------
    >>> name_known(["heights", "district"]), name_known([])
    ('LIDAR and district', '')
    """
    return join_words(name_each(codes))


def is_lidar_alone(codes: Collection[str]) -> bool:
    """Say whether what is known, or what two differ in, is LIDAR and nothing of where an area is.

    Examples
    --------
    >>> is_lidar_alone(["heights"]), is_lidar_alone(["heights", "place"]), is_lidar_alone([])
    (True, False, False)
    >>> is_lidar_alone(["heights", "features"]), is_lidar_alone(["heights", "census"])
    (True, False)
    """
    # What is known of a table goes by the user's name for it: all but these may be one.
    return sees_lidar(codes) and set(codes) <= {*LIDAR, *HOW_NAMES}


def name_apart(name: str, apart: Sequence[str]) -> str:
    """Name a recipe with, in brackets, all that sets it apart from another, by `list_apart`.

    Examples
    --------
    >>> name_apart("place-alone", ["heights", "district"]), name_apart("stack", [])
    ('place-alone [LIDAR, district]', 'stack [how it is used]')
    """
    # Two recipes are never the same: what know the same use it in different ways.
    return f"{name} [{', '.join(name_each(apart)) or 'how it is used'}]"


def say_apart(apart: Sequence[str]) -> str:
    """Say all that two recipes differ in, which no comparison of them may leave out.

    Examples
    --------
    >>> say_apart(["heights"]), say_apart(["heights", "place"])
    ('The two differ in LIDAR alone.', 'The two differ in LIDAR and place.')
    >>> say_apart([])
    'The two know the same, and differ in how they use it.'
    """
    named = name_known(apart)
    if not named:
        return "The two know the same, and differ in how they use it."
    return f"The two differ in {named}{' alone' if len(name_each(apart)) == 1 else ''}."


def write_targets(targets: Sequence[str]) -> str:
    """Name several targets as a sentence does.

    Examples
    --------
    >>> write_targets(["imd", "living_environment"])
    'multiple deprivation and living environment'
    """
    return join_words([name_target(target) for target in targets])


def has_index(targets: Sequence[str]) -> bool:
    """Say whether any target is an index of deprivation or one of its domains."""
    return not set(DOMAINS).isdisjoint(targets)


def name_report(targets: Sequence[str], source: str = "LIDAR") -> str:
    """Name a report by what it predicts, and from what.

    Examples
    --------
    >>> name_report(["crime"]), name_report(["imd", "income", "health", "crime"])
    ('crime from LIDAR', 'deprivation from LIDAR')
    >>> name_report(["burglary", "drugs", "robbery", "theft"])
    '4 scores from LIDAR'
    """
    many = "deprivation" if has_index(targets) else f"{len(targets)} scores"
    subject = write_targets(targets) if len(targets) < MANY_TARGETS else many
    return f"{subject} from {source}"


def name_source(has_ground: bool) -> str:
    """Name what a run learnt from, in its title and in sentences on all that it asked."""
    return "LIDAR" if has_ground else "tables by area"


def say_place(districts: Sequence[str], n_areas: int) -> str:
    """Say where the areas that figures are told of lie; empty where no district has a name.

    Examples
    --------
    >>> say_place(["Camden", "Barnet"], 99)
    '99 areas in Barnet and Camden.'
    """
    if not districts:
        return ""
    names = sorted(districts)
    where = join_words(names) if len(names) <= MAX_PLACES else f"{len(names):,} districts"
    return f"{count(n_areas, 'area')} in {where}."


def say_shown(n: int, n_areas: int) -> str:
    """Say of how many areas figures are shown: in these words wherever it is said.

    Examples
    --------
    >>> say_shown(99, 1140)
    '99 of 1,140 areas shown'
    """
    return f"{n:,} of {count(n_areas, 'area')} shown"


def say_by_district(target: str) -> str:
    """Say of a target that some of its indicators are set by district; empty for most.

    Examples
    --------
    >>> say_by_district("barriers")[:63]
    'Of the indicators behind barriers to housing and services some,'
    >>> say_by_district("crime")
    ''
    """
    if target not in BY_DISTRICT:
        return ""
    return (
        f"Of the indicators behind {name_target(target)} some, such as {BY_DISTRICT[target]}, are "
        "set by district and shared by all its areas: to know the district is to know part of it."
    )


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> join_words(["crime", "health", "income"])
    'crime, health, and income'
    >>> join_words(["barriers to housing and services", "health"])
    'barriers to housing and services, and health'
    """
    # With a comma where a name has an "and" of its own, or there are many.
    if len(words) < 3 and not (len(words) == 2 and any(" and " in word for word in words)):
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"


def count(n: int, one: str, many: str = "") -> str:
    """Say how many there are of something, one or many.

    Examples
    --------
    >>> count(1, "area"), count(1200, "area"), count(0, "copy", "copies")
    ('1 area', '1,200 areas', '0 copies')
    """
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def open_sentence(text: str) -> str:
    """Begin with a capital, and leave the rest as it is.

    Examples
    --------
    >>> open_sentence("whole MSOAs held out")
    'Whole MSOAs held out'
    """
    return text[:1].upper() + text[1:]


def format_number(value: float | None, places: int = 2) -> str:
    """Write a number with a true minus sign; an en dash where there is none.

    Examples
    --------
    >>> format_number(-0.1234), format_number(None), format_number(0.0001)
    ('−0.12', '–', '0.00')
    """
    if value is None or value != value:
        return "–"
    # Rounding leaves "-0.00" of what is a little below 0.
    text = f"{value:.{places}f}"
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", "−")


def count_decimals(size: float) -> int:
    """Say how many decimal places show two figures of a size.

    Examples
    --------
    >>> count_decimals(0.034), count_decimals(1.7), count_decimals(250.0)
    (3, 1, 0)
    """
    return max(0, 1 - floor(log10(size))) if size > 0 else 2


def format_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a value and its interval, where it has one, with two figures of the width.

    Examples
    --------
    >>> format_interval(0.0213, 0.0104, 0.0333), format_interval(-310.0, -520.0, -90.0)
    ('0.021 (0.010 to 0.033)', '−310 (−520 to −90)')
    >>> format_interval(-0.4, None, None), format_interval(None, None, None)
    ('−0.40', '–')
    """
    # An interval without width cannot say how many digits count.
    if value is None or low is None or high is None or low == high:
        return format_number(value, count_decimals(abs(value or 0.0)))
    places = count_decimals(high - low)
    ends = f"{format_number(low, places)} to {format_number(high, places)}"
    return f"{format_number(value, places)} ({ends})"


def format_percent(share: float | None) -> str:
    r"""Write a share in per cent, whole; an en dash where there is none.

    Examples
    --------
    >>> format_percent(0.256), format_percent(None)
    ('26%', '–')
    """
    return "–" if share is None else f"{share:.0%}"


def say_years(first: float, last: float, *, is_clause: bool = False) -> str:
    """Say from which year to which; the first is NaN where it is not known.

    Examples
    --------
    >>> say_years(2015, 2017), say_years(2017, 2017), say_years(float("nan"), 2017)
    ('2015 to 2017', '2017', 'until 2017')
    >>> say_years(2015, 2017, is_clause=True), say_years(2017, 2017, is_clause=True)
    ('from 2015 to 2017', 'in 2017')
    """
    if isnan(first):
        return f"until {last:.0f}"
    if first == last:
        return f"in {last:.0f}" if is_clause else f"{last:.0f}"
    return f"{'from ' if is_clause else ''}{first:.0f} to {last:.0f}"


def format_length(length_m: float) -> str:
    r"""Write a length in metres or kilometres, with a space that does not break.

    Examples
    --------
    >>> format_length(1000), format_length(500), format_length(1500)
    ('1\xa0km', '500\xa0m', '1.5\xa0km')
    """
    return f"{length_m / 1000:g}\xa0km" if length_m >= 1000 else f"{length_m:g}\xa0m"


def name_scheme(scheme: str, settings: Settings) -> str:
    """Say how a scheme holds out, to follow the word "with"."""
    split = settings.split
    if scheme == "block":
        clear = f" and the {format_length(split.buffer_m)} around them" if split.buffer_m else ""
        return f"whole {format_length(split.block_m)} blocks{clear} held out"
    return HELD_OUT[scheme]
