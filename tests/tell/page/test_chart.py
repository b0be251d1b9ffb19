"""Rows of charts as the page draws them, and the one legend."""

from __future__ import annotations

import re

import pytest

from basrelief.tell.page.chart import SHARES, Axis, Point, Row, Statement, choose_axis
from basrelief.tell.page.environment import make_environment
from basrelief.tell.senses import SENSES

SKILLS = Axis(-1.0, 1.0)


def draw(row: Row, axis: Axis) -> str:
    template = '{% from "macros.html.j2" import chart_rows %}{{ chart_rows([row], axis) }}'
    return make_environment("page").from_string(template).render(row=row, axis=axis)


@pytest.mark.parametrize("sense", SENSES)
def test_every_sense_has_a_sign_and_a_tone_of_the_style_sheet(sense: str) -> None:
    found = SENSES[sense]
    assert found.sign
    assert found.words
    assert found.tone in ("better", "even", "worse")
    drawn = draw(
        Row("a", (Point(0.5, 0.4, 0.6, sense),), statement=Statement(sense, "told")), SKILLS
    )
    assert f'<li class="{found.tone}">' in drawn
    assert f'<span aria-hidden="true">{found.sign}</span> told' in drawn


def test_a_row_tells_its_figure_and_interval_as_its_axis_writes_them() -> None:
    row = Row("crime", (Point(0.254, 0.1, 0.4, "better"),))
    assert '<b>0.25</b> <span class="range">(0.10 to 0.40)</span>' in draw(row, SKILLS)
    assert '<b>25%</b> <span class="range">(10% to 40%)</span>' in draw(row, SHARES)


def test_several_points_of_a_row_are_told_without_their_intervals() -> None:
    points = tuple(Point(share, 0.1, 0.9, "holds", against=share) for share in (0.5, 0.8))
    drawn = draw(Row("crime", points, statement=Statement("holds", "hold")), SHARES)
    assert "<b>50%, 80%</b>" in drawn
    assert drawn.count('class="mean"') == 2


def test_a_figure_without_an_interval_has_no_bar() -> None:
    drawn = draw(Row("crime", (Point(0.25, None, None, "even"),)), SKILLS)
    assert 'class="interval"' not in drawn
    assert "range" not in drawn


def test_a_skill_far_below_zero_stays_on_the_chart_and_is_marked() -> None:
    row = Row("crime", (Point(-7.5, None, None, "worse"),))
    assert (SKILLS.locate(-7.5), SKILLS.locate(0.0), SKILLS.locate(1.0)) == (0.0, 50.0, 100.0)
    assert SKILLS.cuts([row])
    assert choose_axis([row]).low == -1.0
    (arrow,) = re.findall(r'<svg class="dot" x="0.0%"[^>]*>(<path[^>]*>)', draw(row, SKILLS))
    assert arrow == '<path d="M10 -6 L1 0 L10 6"/>'
