from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import read_facts
from basrelief.tell.page import report
from basrelief.tell.page.slope import say_effects, warn_little_kept


def make_record(differs: bool | None, target: str = "burglary", **more: Any) -> dict[str, Any]:
    effect = {"per_unit": -0.4, "low": -0.5, "high": -0.2, "unit": "degree", "kept": 0.5}
    names = {"target": target, "exposure": "slope", "controls": "form_and_place"}
    return names | effect | {"differs": differs} | more


def test_effects_that_cannot_be_told_are_said_to_be_so() -> None:
    said = say_effects([make_record(False), make_record(False, "theft")])
    assert said == (
        "With built form and place held equal, none of 2 effects has an interval that leaves 0 out."
    )
    assert "too little ground" in say_effects([make_record(None)])


def test_effects_are_told_with_what_luck_would_give() -> None:
    records = [make_record(True), *(make_record(False, f"kind {k}") for k in range(19))]
    assert say_effects(records) == (
        "With built form and place held equal, 1 of 20 effects has an interval that leaves 0 out "
        "(burglary 0.40 less a degree of slope); by luck alone it would be about 1."
    )
    many = [make_record(True, f"kind {k}") for k in range(6)]
    assert say_effects(many).endswith("6 of 6 effects have intervals that leave 0 out; by luck "
                                      "alone it would be about 0.3.")  # fmt: skip


def test_a_rise_with_altitude_is_told_in_tens_of_metres() -> None:
    record = make_record(True, per_unit=1.25, unit="10 m", exposure="altitude")
    assert "1.25 more every 10 m of altitude" in say_effects([record])


def test_a_warning_stands_where_place_says_nearly_all_of_it() -> None:
    assert warn_little_kept([make_record(False)]) == []
    (warning,) = warn_little_kept([make_record(False, kept=0.05)])
    assert "95% of its slope" in warning


def test_only_with_place_held_equal_is_a_range_a_95_percent_interval_and_none_is_marked(
    tmp_path: Path, write_judged: Callable[[Path], Run], judged_settings: Settings
) -> None:
    facts = read_facts(judged_settings, write_judged(tmp_path / "run"))
    counts: dict[str, Any] = {"n": 99, "n_groups": 30}
    partial = [
        make_record(True, controls=held, **counts) for held in ("nothing", "form", "form_and_place")
    ]
    page = report.draw_page(replace(facts, judged=replace(facts.judged, partial=partial)))
    table = page[page.index('class="effects"') : page.index("What a degree more")]
    assert table.count("95% intervals") == 1
    assert "built form and place held equal, 95% intervals" in table
    assert "\u22120.40" in table
    assert "<b>" not in table
