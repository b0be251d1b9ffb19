from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from basrelief.learn.measures import BY_NAME, MEASURES, bring_to_scale, rescale


def test_every_measure_has_a_unit_words_and_a_source() -> None:
    assert len(BY_NAME) == len(MEASURES)
    for measure in MEASURES:
        assert measure.unit
        assert measure.words
        assert re.search(r"\((?:19|20)\d\d\)", measure.source)


def test_a_name_ends_in_its_unit() -> None:
    endings = {"m": "_m", "degrees": "_deg", "share": "_share", "m/ha": "_m_per_ha"}
    for measure in MEASURES:
        assert measure.name.endswith(endings.get(measure.unit, measure.name))
        if measure.scale == "log":
            assert measure.least > 0
        assert (measure.scale == "logit") == (measure.unit == "share")


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_scales_keep_the_order_of_values(measure: object) -> None:
    named = BY_NAME[measure.name]  # type: ignore[attr-defined]
    values = np.linspace(0.01, 0.99, 50) if named.scale == "logit" else np.geomspace(11, 900, 50)
    scaled = rescale(values, named)
    assert (np.diff(scaled) > 0).all()
    assert np.isnan(rescale(np.array([np.nan]), named)).all()


def test_shares_of_none_and_all_stay_finite() -> None:
    found = rescale(np.array([0.0, 0.001, 0.5, 1.0]), BY_NAME["roof_share"])
    assert np.isfinite(found).all()
    assert found[0] == found[1]
    assert found[2] == pytest.approx(0.0)
    assert found[3] == pytest.approx(-found[0])


def test_columns_that_are_no_measure_stay_as_they_are() -> None:
    table = pd.DataFrame({"above_0": [1.0, 2.0], "slope_mean_deg": [1.0, np.e]})
    np.testing.assert_allclose(bring_to_scale(table), [[1.0, 0.0], [2.0, 1.0]])
    assert bring_to_scale(pd.DataFrame(index=["a", "b"])).shape == (2, 0)
