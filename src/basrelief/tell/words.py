"""What the report says in sentences: names, the verdict, what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from basrelief.config import SCHEMES, Settings
from basrelief.judge.scores import NEGLIGIBLE
from basrelief.run import Record
from basrelief.tell.senses import SENSES, tell_sense
from basrelief.tell.verdict_words import say_worth

TARGET_NAMES = {
    "imd": "multiple deprivation",
    "barriers": "barriers to housing and services",
    "idaci": "income deprivation among children",
    "idaopi": "income deprivation among older people",
}

STRICT_FIRST = tuple(reversed(SCHEMES))
"""Schemes from the one that leaks least."""

MANY_TARGETS, MAX_PLACES = 4, 8
"""From so many targets on a report is of deprivation, and so many districts can be named."""

FEW = 30
"""Fewer held-out places than this make a bootstrapped interval rough."""


@dataclass(frozen=True)
class Finding:
    """What one score says, in words."""

    record: Record
    """As in ``scores.json``; a mean over targets has no target."""

    @property
    def recipe(self) -> str:
        """The recipe that was scored."""
        return str(self.record["recipe"])

    @property
    def target(self) -> str:
        """What it predicts."""
        return str(self.record["target"])

    @property
    def scheme(self) -> str:
        """How ground was held out."""
        return str(self.record["scheme"])

    @property
    def words(self) -> str:
        """Better than, no better than, or worse than the mean."""
        return say_worth(self.record)

    @property
    def sense(self) -> str:
        """Which side of the mean it lies on, by its interval: one of `SENSES`."""
        skill = self.record["skill"]
        # Without an interval nobody knows whether it is luck.
        if skill is None or abs(skill) < NEGLIGIBLE:
            return "even"
        return tell_sense(self.record["skill_low"], self.record["skill_high"])


def name_target(target: str) -> str:
    """Name a target as a person would.

    Examples
    --------
    >>> name_target("living_environment"), name_target("imd")
    ('living environment', 'multiple deprivation')
    """
    return TARGET_NAMES.get(target, target.replace("_", " "))


def name_report(targets: Sequence[str]) -> str:
    """Name a report by what it predicts.

    Examples
    --------
    >>> name_report(["crime"]), name_report(["imd", "income", "health", "crime"])
    ('Crime from LIDAR', 'Deprivation from LIDAR')
    """
    names = [name_target(target) for target in targets]
    subject = join_words(names) if len(names) < MANY_TARGETS else "deprivation"
    return f"{open_sentence(subject)} from LIDAR"


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
    return f"{n_areas:,} areas in {where}."


def join_words(words: Sequence[str]) -> str:
    """Join words as a sentence does.

    Examples
    --------
    >>> join_words(["crime", "health", "income"])
    'crime, health, and income'
    """
    if len(words) < 3:
        return " and ".join(words)
    # With the comma, for some names have an "and" of their own.
    return f"{', '.join(words[:-1])}, and {words[-1]}"


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
    text = f"{value:.{places}f}"
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", "−")


def count_places(size: float) -> int:
    """Say how many decimal places show two figures of a size.

    Examples
    --------
    >>> count_places(0.034), count_places(1.7), count_places(250.0)
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
    if value is None or low is None or high is None or low == high:
        return format_number(value, count_places(abs(value or 0.0)))
    places = count_places(high - low)
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
    return {
        "random": "a random split of chips",
        "area": "whole areas held out",
        "msoa": "whole MSOAs held out",
        "lad": "whole districts held out",
    }[scheme]


def find_strictest(scores: Sequence[Record]) -> str | None:
    """Name the scheme that leaks least among those that were scored."""
    scored = {record["scheme"] for record in scores}
    return next((scheme for scheme in STRICT_FIRST if scheme in scored), None)


def find_findings(scores: Sequence[Record], scheme: str) -> list[Finding]:
    """Put each recipe's main score of a scheme into words.

    The main score is per area, as areas are what a map would show; per chip where the
    scheme holds out chips, or no area has a score.
    """
    preferred = "chip" if scheme == "random" else "area"
    main: dict[tuple[str, str], Record] = {}
    for record in scores:
        if record["scheme"] != scheme or record["skill"] is None:
            continue
        key = (record["target"], record["recipe"])
        if key not in main or record["unit"] == preferred:
            main[key] = record
    targets = list(dict.fromkeys(record["target"] for record in scores))
    return [
        Finding(record)
        for _, record in sorted(main.items(), key=lambda item: targets.index(item[0][0]))
    ]


def say_headline(findings: Sequence[Finding], settings: Settings) -> str:
    """Say the whole result in one sentence, without asking the reader to know a metric."""
    if not findings:
        return "Nothing was scored in this run, so there is nothing to conclude from it."
    held_out = f"with {name_scheme(findings[0].scheme, settings)}"
    targets = list(dict.fromkeys(finding.target for finding in findings))
    recipes = list(dict.fromkeys(finding.recipe for finding in findings))
    named = join_words([name_target(target) for target in targets])
    if len({finding.words for finding in findings}) == 1:
        is_or_are = "is" if len(recipes) == 1 else "are"
        who = f"{join_words(recipes)} {is_or_are}"
        return f"For {named}, {held_out}, {who} {findings[0].words}."
    if len(targets) == 1:
        parts = [f"{finding.recipe} is {finding.words}" for finding in findings]
        return f"For {named}, {held_out}: {'; '.join(parts)}."
    better = {finding.target for finding in findings if finding.sense == "better"}
    opening = open_sentence(held_out)
    if not better:
        return f"{opening}, no recipe is better than always predicting the mean, for any score."
    found = join_words([name_target(target) for target in targets if target in better])
    return (
        f"{opening}, {len(better)} of {len(targets)} scores can be told better than by always "
        f"predicting the mean: {found}."
    )


def say_errors(findings: Sequence[Finding]) -> str | None:
    """Say a single target's mean squared errors beside those of the mean; a bare one misleads."""
    if not findings or len({finding.target for finding in findings}) > 1:
        return None
    parts = [
        f"{finding.recipe} {format_number(finding.record['mse'], 3)}, always predicting the mean "
        f"{format_number(finding.record['mse_mean'], 3)}"
        for finding in findings
    ]
    return f"Mean squared error: {'; '.join(parts)}."


def warn_of_few(findings: Sequence[Finding]) -> str | None:
    """Warn where a verdict rests on so few places that its interval is rough itself."""
    fewest = min(findings, key=lambda finding: finding.record["n"], default=None)
    if fewest is None or fewest.record["n"] >= FEW:
        return None
    return (
        f"{fewest.recipe} was judged on only {fewest.record['n']} held-out "
        f"{fewest.record['unit']}s. With so few, the interval is itself uncertain and one odd "
        "place can turn a verdict round: take it as a hint."
    )


def group_findings(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Gather findings by verdict, best first: one of each, and all of them named."""
    order = list(SENSES)
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: order.index(finding.sense)):
        groups.setdefault(finding.words, []).append(finding)
    gathered = []
    for group in groups.values():
        by_recipe: dict[str, list[str]] = {}
        for finding in group:
            by_recipe.setdefault(finding.recipe, []).append(name_target(finding.target))
        named = [f"{recipe} for {join_words(names)}" for recipe, names in by_recipe.items()]
        gathered.append((group[0], "; ".join(named)))
    return gathered


def warn_of_leak(
    scores: Sequence[Record], leakage: Sequence[Record], settings: Settings
) -> str | None:
    """Warn where the random split makes a recipe look better than the strictest scheme does."""
    strictest = find_strictest(scores)
    skill = {
        (record["recipe"], record["target"], record["scheme"]): record["skill"]
        for record in scores
        if record["unit"] == "chip" and record["skill"] is not None
    }
    pairs = [
        (skill[recipe, target, scheme], skill[recipe, target, strictest], recipe, target)
        for recipe, target, scheme in skill
        if scheme == "random" != strictest and (recipe, target, strictest) in skill
    ]
    pairs = [pair for pair in pairs if pair[0] > max(0.0, pair[1] + 0.05)]
    if not pairs or strictest is None:
        return None
    flattered, honest, recipe, target = max(pairs, key=lambda pair: pair[0] - pair[1])
    shared = [record["share_same_label"] for record in leakage if record["scheme"] == "random"]
    why = (
        f" There, {shared[0]:.0%} of the test chips carry exactly the labels of some training chip."
        if shared and shared[0]
        else ""
    )
    return (
        f"Do not quote the random split. Per chip it gives {recipe} a skill of "
        f"{format_number(flattered)} for {name_target(target)}; with "
        f"{name_scheme(strictest, settings)} the same recipe has {format_number(honest)}.{why}"
    )


def say_question(settings: Settings, joining: Sequence[str] = ()) -> str:
    """Say what was asked of which data, in a few sentences.

    Parameters
    ----------
    joining
        Recipes that were asked for and join LIDAR and place.
    """
    data, chips = settings.data, settings.chips
    if not data.has_rasters:
        return (
            "Each LIDAR picture was matched to its row in the table, and each recipe was asked "
            "to predict the scores of the area that the picture shows from the picture alone."
        )
    ground = (
        "Ground heights come from terrain rasters"
        if data.dtm
        else "Ground heights were estimated from the surface, as no terrain rasters were given"
    )
    return (
        f"LIDAR surface heights were cut into squares of {format_length(chips.ground_m)} and "
        "matched to small areas. Each recipe was asked to predict the areas' scores from relief "
        f"alone: it saw no coordinates, no outlines and no neighbour's score. {ground}."
        f"{_say_told(joining)}"
    )


def _say_told(joining: Sequence[str]) -> str:
    """Say what recipes that join LIDAR and place were told besides; nothing without any."""
    if not joining:
        return ""
    was = "was" if len(joining) == 1 else "were"
    return (
        f" Only {join_words(joining)} {was} told more: where areas lie, their district, and the "
        "scores of the training areas around them."
    )
