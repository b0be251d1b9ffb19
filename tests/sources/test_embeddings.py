"""Numbers of AlphaEarth, decoded as its publisher says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from basrelief.config import InputError
from basrelief.sources.embeddings import decode_alphaearth, find_length_fault, refuse_two_years


def test_every_number_of_eight_bits_is_decoded_by_the_published_formula() -> None:
    stored = np.arange(-128, 128, dtype=np.float32)
    found = decode_alphaearth(stored)
    assert math.isnan(found[0])
    for whole, value in zip(range(-127, 128), found[1:].tolist(), strict=True):
        expected = math.copysign(1, whole) * (abs(whole) / 127.5) ** 2
        assert value == pytest.approx(expected, abs=1e-7)


def test_vectors_that_are_longer_than_one_are_of_another_model() -> None:
    assert find_length_fault(0.97, 64, "alphaearth") is None
    assert find_length_fault(0.4, 64, "alphaearth") is None  # averaged over coarser cells
    assert "3.0 long on average" in str(find_length_fault(9.0, 64, "alphaearth"))
    assert find_length_fault(9.0, 64, None) is None
    assert find_length_fault(9.0, 10, "alphaearth") is None


def test_the_same_tile_twice_is_fine_and_another_year_is_not() -> None:
    one = np.random.default_rng(0).normal(size=(4, 5, 5)).astype(np.float32)
    part = one.copy()
    part[:, :2] = np.nan
    refuse_two_years([one, one, part], ["a", "b", "c"])
    with pytest.raises(InputError, match=r"a and c: show the same ground"):
        refuse_two_years([one, one, part + 0.1], ["a", "b", "c"])
