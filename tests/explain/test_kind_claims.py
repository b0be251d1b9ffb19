"""Kinds of ground are told only where chance over all of them does not reach what they add."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from basrelief.explain.kind_claims import adjust_together, judge_interval, settle_kinds

TARGETS = tuple("abcdefgh")
N_REFITS = 20


def list_records(values: Any, errors: Any) -> list[dict[str, Any]]:
    """Records of six kinds and all targets; (kind, target) each."""
    records = []
    reach = stats.t.ppf(0.975, N_REFITS - 1)
    for (kind, k), value in np.ndenumerate(values):
        wide = reach * errors[kind, k]
        ends = {"low": value - wide, "high": value + wide}
        p = judge_interval(value, ends["low"], ends["high"], N_REFITS)
        records.append({"target": TARGETS[k], "kind": str(kind)} | ends | {"p": p})
    return records


def test_where_kinds_add_nothing_hardly_any_recipe_has_one_that_is_told() -> None:
    rng, told, alone = np.random.default_rng(0), 0, 0
    for _ in range(400):
        drawn = rng.standard_normal((N_REFITS, 6, len(TARGETS)))
        errors = drawn.std(axis=0, ddof=1) / np.sqrt(N_REFITS)
        records = list_records(drawn.mean(axis=0), errors)
        told += any(record["holds"] for record in settle_kinds(records, TARGETS))
        alone += any(record["low"] > 0 or record["high"] < 0 for record in records)
    assert told / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert alone / 400 > 0.8


def test_what_a_kind_adds_surely_is_told_whichever_way_it_goes() -> None:
    values, errors = np.zeros((6, len(TARGETS))), np.full((6, len(TARGETS)), 0.1)
    values[0, 0], values[1, 1] = 1.0, -1.0
    found = settle_kinds(list_records(values, errors), TARGETS)
    told = {(record["kind"], record["target"]) for record in found if record["holds"]}
    assert told == {("0", "a"), ("1", "b")}


def test_of_a_target_that_lidar_does_not_tell_no_kind_is_told() -> None:
    records = list_records(np.ones((6, len(TARGETS))), np.full((6, len(TARGETS)), 0.01))
    found = settle_kinds(records, {"a"})
    assert {record["target"] for record in found if record["holds"]} == {"a"}


def test_without_an_interval_nothing_is_told_and_nothing_counted() -> None:
    sure = list_records(np.ones((1, 1)), np.full((1, 1), 0.1))
    unknown = {"target": "b", "kind": "0", "low": None, "high": None, "p": None}
    found = settle_kinds([*sure, unknown], TARGETS)
    assert [(record["p"] == sure[0]["p"], record["holds"]) for record in found] == [
        (True, True),
        (False, False),
    ]
    assert found[1]["p"] is None


def test_adjusted_p_values_are_holms_by_hand() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        p = rng.random(7) ** 3
        ranks = p.argsort().argsort()
        expected = [
            min(1.0, max((7 - ranks[j]) * p[j] for j in range(7) if ranks[j] <= ranks[i]))
            for i in range(7)
        ]
        assert adjust_together(p) == pytest.approx(expected)
    assert adjust_together(np.array([])).tolist() == []
