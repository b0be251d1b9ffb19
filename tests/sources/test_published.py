from __future__ import annotations

import pytest

from basrelief.sources import targets
from basrelief.sources.licences import credit_open
from basrelief.sources.published import PublishedIndex

WELSH = PublishedIndex(
    credit=credit_open("an index", "https://example.org"),
    headings={"income": ("Income",), "access": ("Access to Services",)},
    domains=("income", "access"),
)


def test_whole_headings_are_not_taken_for_beginnings() -> None:
    columns = ["LSOA Code", "Income Score (rate)", "access to services"]
    assert WELSH.find(columns, "income") is None
    assert WELSH.find(columns, "access") == "access to services"
    assert WELSH.find(columns, "crime") is None


def test_a_second_index_leaves_the_headings_of_the_first_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "INDICES", (*targets.INDICES, WELSH))
    assert targets.find_target(["Income", "Income Score (rate)"], "income") == "Income Score (rate)"
    assert targets.find_target(["LSOA Code", "Income", "Access to Services"], "income") == "Income"
