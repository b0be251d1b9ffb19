"""Two runs beside each other: a page that stands by itself, and a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from basrelief.config import InputError, Settings, read_settings
from basrelief.judge.new_places import refuse_runs
from basrelief.judge.two_runs import Comparison, compare_runs
from basrelief.learn.choice import read_recipes
from basrelief.learn.shortening import label_recipes
from basrelief.run import Record, Run, prepare_folder, replacing
from basrelief.tell.facts import select
from basrelief.tell.intervals import name_level, say_intervals, write_range
from basrelief.tell.page.chart import Axis, Chart, Point, Row, Statement, choose_axis
from basrelief.tell.page.environment import make_environment
from basrelief.tell.senses import SENSES, tell_comparison
from basrelief.tell.training import say_shortfalls
from basrelief.tell.words import (
    format_number,
    join_words,
    list_apart,
    name_recipe,
    name_scheme,
    name_target,
    open_sentence,
    say_apart,
)

MARK = '<meta name="generator" content="basrelief compare">'
"""What stands in every such page: a file without it is somebody else's, and stays."""


@dataclass(frozen=True)
class Part:
    """What the two come to with one way of holding ground out."""

    title: str
    charts: list[Chart]
    axis: Axis
    intervals: str


def tell_comparison_of(first: Run, second: Run, out: Path | None) -> None:
    """Compare two runs: say it in lines, and write a page where one is asked for.

    Raises
    ------
    InputError
        If they cannot be compared, or the page cannot be written where it is to go: a file that is
        no such page stands there, or it lies in a run.
    """
    if out is not None:
        _refuse_file(out)
    found = _name_as_told(compare_runs(first, second), first, second)
    settings = read_settings(first.folder / "config.json")
    for line in say_lines(found, settings):
        first.say(line)
    for sentence in _list_shortfalls(first, second):
        first.say(f"note: {sentence}")
    if out is None:
        return
    prepare_folder(out.parent, f"--out {str(out)!r}")
    with replacing(out) as part:
        part.write_text(draw_comparison(found, settings, (first, second)), encoding="utf-8")
    first.say(f"compare: {out}")


def _refuse_file(out: Path) -> None:
    """Refuse to write over what this command did not write."""
    typed = f"--out {str(out)!r}"
    refuse_runs(out.parent, typed)
    if out.is_dir():
        raise InputError(f"{typed}: a folder. Give a file, such as comparison.html.")
    if out.exists() and not _is_own(out):
        raise InputError(f"{typed}: a file that this command did not write. Give another name.")


def _is_own(out: Path) -> bool:
    """Whether a file is such a page: a pipe is none, and reading it might never end."""
    if not out.is_file():
        return False
    with out.open(encoding="utf-8", errors="replace") as file:
        # At its head alone: a file of another kind may be of any size.
        return MARK in file.read(2000)


def _name_as_told(found: Comparison, first: Run, second: Run) -> Comparison:
    """Call each recipe as its own run tells it: shortened, or of random weights, where it is."""
    one, other = (label_recipes(read_recipes(run)) for run in (first, second))
    pairs = [
        record
        | {
            "recipe": other.get(record["recipe"], record["recipe"]),
            "versus": one.get(record["versus"], record["versus"]),
        }
        for record in found.pairs
    ]
    return replace(found, pairs=pairs, same=tuple(one.get(name, name) for name in found.same))


def _list_shortfalls(first: Run, second: Run) -> list[str]:
    """Say what training fell short of in each run."""
    return [
        f"{which} run: {sentence}"
        for which, run in (("First", first), ("Second", second))
        for sentence in say_shortfalls(read_recipes(run))
    ]


def say_lines(found: Comparison, settings: Settings) -> list[str]:
    """Say what the second run adds to the first, in the scheme that is shown."""
    lines = [f"compare: the second run over the first, {name_scheme(found.listed, settings)}"]
    if found.same:
        lines.append(f"compare: alike in both: {join_words(list(found.same))}")
    shown = _list_shown(found, found.listed)
    if not shown:
        return [*lines, "compare: nothing that was asked for differs between them"]
    named = [f"{r['recipe']} over {r['versus']}, {_name_score(r['target'])}" for r in shown]
    width = max(len(name) for name in named)
    for name, record in zip(named, shown, strict=True):
        lines.append(f"compare: {name:<{width}}  {_write_gain(record)}")
    return lines


def _name_score(target: str | None) -> str:
    return "mean over all scores" if target is None else name_target(target)


def _write_gain(record: Record) -> str:
    """Write a difference with its range, and what can be told of it."""
    low, high, sense = record["low"], record["high"], SENSES[tell_comparison(record)]
    ends = "" if low is None else f" {write_range(low, high, record)}"
    return f"{format_number(record['difference'])}{ends} {sense.sign} {sense.words}"


def draw_comparison(found: Comparison, settings: Settings, runs: tuple[Run, Run]) -> str:
    """Draw the page: by scheme, every pair of recipes over all scores and over each."""
    # False sorts first: the scheme that is shown opens the page.
    schemes = sorted(found.schemes, key=lambda scheme: scheme != found.listed)
    parts = [part for scheme in schemes if (part := _show_scheme(found, scheme, settings))]
    page: str = (
        make_environment("page")
        .get_template("comparison.html.j2")
        .render(
            mark=MARK,
            parts=parts,
            names=_name_runs(*(run.folder for run in runs)),
            same=found.same,
            shortfalls=_list_shortfalls(*runs),
            n=found.n,
            verdict=_say_verdict(found),
            scores=found.scores,
            senses_shown=("better", "even", "worse"),
        )
    )
    return page


def _name_runs(first: Path, second: Path) -> tuple[str, str]:
    """Name two runs by their folders, as far as tells them apart; a page is sent on."""
    one, other = first.resolve(), second.resolve()
    for depth in (1, 2):
        names = tuple("/".join(each.parts[-depth:]) for each in (one, other))
        if names[0] != names[1]:
            return names[0], names[1]
    return "the first run", "the second run"


def _say_verdict(found: Comparison) -> Statement:
    """Say in a sentence what can be told between the two, in the scheme that is shown."""
    shown = _list_shown(found, found.listed)
    told = [r for r in shown if tell_comparison(r) != "even"]
    if not shown:
        return Statement("even", "Nothing that was asked for differs between the two runs")
    if not told:
        return Statement("even", "A difference between the two runs cannot be told")
    ahead = [r for r in told if tell_comparison(r) == "better"]
    words = f"{len(ahead)} of {len(shown)} differences speak for the second run"
    if len(told) > len(ahead):
        words += f", and {len(told) - len(ahead)} for the first"
    # Where some speak for either, neither run is ahead.
    sense = "even" if 0 < len(ahead) < len(told) else tell_comparison(told[0])
    return Statement(sense, f"{words}; for the others it cannot be told")


def _list_shown(found: Comparison, scheme: str) -> list[Record]:
    """List the pairs of a scheme: of chips where it holds these out, else of areas."""
    own = [r for r in select(found.pairs, scheme=scheme) if r["difference"] is not None]
    of_areas = select(own, unit="area")
    # Chips at random hold no area out: areas have chips on both sides.
    return of_areas if of_areas and scheme != "random" else select(own, unit="chip")


def _show_scheme(found: Comparison, scheme: str, settings: Settings) -> Part | None:
    """Gather a chart a pair of recipes."""
    shown = _list_shown(found, scheme)
    if not shown:
        return None
    pairs = dict.fromkeys((r["recipe"], r["versus"]) for r in shown)
    charts = [_show_pair(select(shown, recipe=recipe, versus=versus)) for recipe, versus in pairs]
    rows = [row for chart in charts for row in chart.rows]
    title = open_sentence(name_scheme(scheme, settings))
    return Part(title, charts, choose_axis(rows), say_intervals(shown))


def _show_pair(records: Sequence[Record]) -> Chart:
    """Draw what one recipe has over another, over all scores and over each."""
    one = records[0]
    return Chart(
        title=f"{name_recipe(one['recipe'])}, second run, over {name_recipe(one['versus'])}, first",
        rows=[
            Row(
                label=open_sentence(_name_score(record["target"])),
                points=(
                    Point(
                        record["difference"],
                        record["low"],
                        record["high"],
                        tell_comparison(record),
                        level=name_level(record),
                    ),
                ),
                statement=Statement(tell_comparison(record), SENSES[tell_comparison(record)].words),
                is_asked=record["target"] is None,
            )
            for record in records
        ],
        because=say_apart(list_apart(one)),
    )
