"""The place that the other tests spoil has nothing wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_of_the_sound_place_nothing_is_noted(noted: Callable[..., Any], capsys: Any) -> None:
    areas = noted()
    assert areas["is_used"].all()
    assert areas["crime"].notna().all()
