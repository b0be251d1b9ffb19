from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from basrelief.chips.membership import average_labels, measure_membership

CRS = "EPSG:27700"


def two_areas() -> gpd.GeoDataFrame:
    polygons = [shapely.box(0, 0, 30, 100), shapely.box(30, 0, 90, 100)]
    return gpd.GeoDataFrame({"area_id": ["a", "b"]}, geometry=polygons, crs=CRS)


def test_weights_are_shares_of_the_chips_ground() -> None:
    chips = gpd.GeoDataFrame({"chip_id": ["x"]}, geometry=[shapely.box(0, 0, 100, 100)], crs=CRS)
    weights = measure_membership(chips, two_areas()).set_index("area_id")["weight"]
    assert weights.to_dict() == pytest.approx({"a": 0.3, "b": 0.6})


def test_areas_that_only_touch_a_chip_are_not_members() -> None:
    square = [shapely.box(90, 0, 190, 100)]
    chips = gpd.GeoDataFrame({"chip_id": ["x"]}, geometry=square, crs=CRS)
    assert measure_membership(chips, two_areas()).empty


def test_a_chips_label_is_the_weighted_mean_of_its_areas() -> None:
    membership = pd.DataFrame(
        {
            "chip_id": ["x", "x", "y", "y", "z"],
            "area_id": ["a", "b", "a", "c", "c"],
            "weight": [0.25, 0.75, 0.6, 0.4, 1.0],
        }
    )
    labels = pd.Series({"a": 2.0, "b": 4.0, "c": np.nan})
    found = average_labels(pd.Series(["z", "y", "x", "w"]), membership, labels)
    assert found == pytest.approx([np.nan, 2.0, 3.5, np.nan], nan_ok=True)


def test_a_chip_mostly_outside_labelled_areas_has_no_label() -> None:
    membership = pd.DataFrame({"chip_id": ["x"], "area_id": ["a"], "weight": [0.49]})
    found = average_labels(pd.Series(["x"]), membership, pd.Series({"a": 1.0}))
    assert np.isnan(found).all()
