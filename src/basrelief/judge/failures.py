"""Where predictions fail: on the map, by decile and by district."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from esda.moran import Moran
from libpysal.graph import Graph
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.judge.applicability import mark_unknown
from basrelief.judge.tables import INTERVALS
from basrelief.run import Record

N_PERMUTATIONS = 999
MANY_AREAS = 5000
N_PERMUTATIONS_OF_MANY = 199
"""Beyond this many areas the permuted values scarcely differ, and each takes long."""

N_NEAREST = 6
"""Neighbours of an area that touches no other: about as many as areas touch on average."""

MIN_AREAS = 10
"""With fewer areas neither a tenth of them nor a pattern on the map means anything."""

Floats = NDArray[np.float64]


def measure_failures(
    frame: pd.DataFrame,
    samples: Samples,
    rng: np.random.Generator,
    neighbours: Graph | None = None,
) -> tuple[pd.DataFrame, list[Record]]:
    """Measure where one recipe's predictions fail in one scheme.

    Parameters
    ----------
    frame
        Area rows of ``predictions.parquet`` of one recipe and scheme; with ``is_inside`` or not.
    neighbours
        What `find_neighbours` returned, so that it is found once for many recipes.

    Returns
    -------
    residuals
        One row a recipe, target, scheme and area, means over repeats: ``recipe, target, scheme,
        area_id, y_true, y_pred, residual`` (``y_true - y_pred``)``, decile_true, decile_pred,
        is_inside``, and the bounds of the intervals where the frame has them. Decile 1 is the
        highest tenth of the areas tested, as the published deciles have 1 for the most deprived.
        ``decile_pred`` ranks ``y_pred`` less the training fold's mean, which differs from fold
        to fold and would mix up their order.
    records
        ``recipe, target, scheme, moran_i, moran_p`` (of the residual less what the training fold's
        mean brings; one-sided, by permutation)``, n_permutations, deciles_exact,
        deciles_within_one, by_decile`` (of the prediction)``,
        by_district``. ``bias`` is the mean of ``y_pred - y_true``: above 0 is predicted too high.
        What cannot be had is None.

    References
    ----------
    Moran (1950), Biometrika 37, 17-23.
    """
    if neighbours is None:
        neighbours = find_neighbours(samples)
    residuals = _rank_in_tenths(average_repeats(frame))
    districts = samples.areas.set_index("area_id")["lad"]
    records = []
    # Targets are mostly known for the same areas: one subgraph serves them.
    graph_of: dict[tuple[str, ...], Graph | None] = {}
    rows_of = frame.groupby("target", sort=False).indices
    for (recipe, target, scheme), mine in residuals.groupby(["recipe", "target", "scheme"]):
        ids = tuple(mine["area_id"])
        if ids not in graph_of:
            graph_of[ids] = join_islands(neighbours, samples, list(ids))
        record: Record = {"recipe": recipe, "target": target, "scheme": scheme}
        # Less the folds' means, which neighbours that are held out together share.
        apart = (mine["y_true"] - mine["lift"]).to_numpy(np.float64)
        record |= measure_moran(apart, graph_of[ids], rng)
        record |= _hit_deciles(mine)
        rows = frame.iloc[rows_of[target]]
        decile = rows["id"].map(mine.set_index("area_id")["decile_pred"])
        record["by_decile"] = _measure_groups(rows, decile, "decile", has_skill=False)
        district = rows["id"].map(districts)
        record["by_district"] = _measure_groups(rows, district, "district", has_skill=True)
        records.append(record)
    return residuals.drop(columns="lift"), records


def average_repeats(frame: pd.DataFrame) -> pd.DataFrame:
    """Average each area's figures over repeats.

    Returns
    -------
    ``recipe, target, scheme, area_id, y_true, y_pred, lift, residual``, the bounds that the frame
    has, and ``is_inside`` (whether it is so in every repeat). ``lift`` is the prediction less the
    training fold's mean: areas are ranked by it, since that mean differs from fold to fold.
    """
    known = mark_unknown(frame).assign(lift=frame["y_pred"] - frame["y_mean"])
    by = known.groupby(["recipe", "target", "scheme", "id"], sort=False)
    table = by[["y_true", "y_pred", "lift", *(name for name in INTERVALS if name in known)]].mean()
    table["residual"] = table["y_true"] - table["y_pred"]
    # Cautious: an area outside in any repeat is outside.
    table["is_inside"] = by["is_inside"].min()
    return table.reset_index().rename(columns={"id": "area_id"})


def deciles_of(values: pd.Series[float]) -> pd.Series[int]:
    """Rank values in tenths, 1 for the highest; ties share the middle of their ranks.

    Examples
    --------
    >>> deciles_of(pd.Series([0.0, 9.0, 4.0, 5.0])).tolist()
    [9, 2, 7, 4]
    """
    rank = values.rank(ascending=False, method="average")
    tenth = np.floor(10 * (rank.to_numpy(np.float64) - 0.5) / len(values))
    return pd.Series(tenth.astype(np.int64) + 1, index=values.index)


def find_neighbours(samples: Samples) -> Graph | None:
    """Find which areas touch, at an edge or a corner; None where there are no polygons."""
    if not samples.has_places:
        return None
    return Graph.build_contiguity(samples.areas.set_index("area_id"), rook=False)


def join_islands(neighbours: Graph | None, samples: Samples, ids: list[str]) -> Graph | None:
    """Keep the neighbours among some areas; one that touches none gets its six nearest.

    Parameters
    ----------
    ids
        Areas in the order wanted.

    Returns
    -------
    None without polygons, or with fewer than ten areas.
    """
    if neighbours is None or len(ids) < MIN_AREAS:
        return None
    graph = neighbours.subgraph(ids)
    islands = list(graph.isolates)
    if not islands:
        return graph
    shapes = gpd.GeoSeries(samples.areas.set_index("area_id")["geometry"]).loc[ids]
    points = shapes.representative_point()
    # Moran's I has no place for an area without neighbours.
    nearest = Graph.build_knn(points, k=min(N_NEAREST, len(ids) - 1)).adjacency
    joined = pd.concat([graph.adjacency.drop(islands), nearest.loc[islands]])
    return Graph(joined.loc[ids])


def measure_moran(values: Floats, graph: Graph | None, rng: np.random.Generator) -> Record:
    """Measure how alike the values of neighbours are: Moran's I, by permutation.

    Parameters
    ----------
    values : (n,)
        In the order of the graph's areas.

    Returns
    -------
    ``moran_i, moran_p, n_permutations``; None where there is no graph, or all values are equal.
    """
    # Equal but for rounding is equal.
    if graph is None or np.allclose(values, values[0], rtol=0, atol=1e-12 * np.abs(values).max()):
        return {"moran_i": None, "moran_p": None, "n_permutations": 0}
    n = N_PERMUTATIONS if len(values) <= MANY_AREAS else N_PERMUTATIONS_OF_MANY
    with seeding_numpy(rng):
        moran = Moran(values, graph, permutations=n)
    # Not esda's own p, which is of whichever tail is the nearer: of noise a tenth is below .05.
    reached = int((moran.sim >= moran.I).sum())
    return {"moran_i": float(moran.I), "moran_p": (1 + reached) / (1 + n), "n_permutations": n}


@contextmanager
def seeding_numpy(rng: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global generator, from which esda draws, and put it back afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - esda takes no generator
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _rank_in_tenths(table: pd.DataFrame) -> pd.DataFrame:
    """Add each area's decile, of what was observed and of the prediction, among its target's."""
    target = table.groupby("target", sort=False)
    deciles = {
        name: target[ranked].transform(deciles_of).astype(np.int64)
        for name, ranked in (("decile_true", "y_true"), ("decile_pred", "lift"))
    }
    return table.assign(**deciles)


def _hit_deciles(residuals: pd.DataFrame) -> Record:
    """Share of the areas whose decile was hit, exactly and within one."""
    if len(residuals) < MIN_AREAS:
        return {"deciles_exact": None, "deciles_within_one": None}
    miss = (residuals["decile_true"] - residuals["decile_pred"]).abs()
    return {
        "deciles_exact": float((miss == 0).mean()),
        "deciles_within_one": float((miss <= 1).mean()),
    }


def _measure_groups(
    rows: pd.DataFrame, group: pd.Series[Any], name: str, has_skill: bool
) -> list[Record]:
    """Measure errors by group, over all repeats; rows without a group are left out."""
    # Predicted less observed: a bias above 0 reads as predicted too high.
    error = rows["y_pred"] - rows["y_true"]
    table = pd.DataFrame(
        {
            "id": rows["id"],
            "error": error,
            "square": error**2,
            "square_of_mean": (rows["y_mean"] - rows["y_true"]) ** 2,
        }
    )
    records = []
    for value, inside in table.groupby(group):
        record: Record = {name: value, "n": int(inside["id"].nunique())}
        record |= {"mse": float(inside["square"].mean()), "bias": float(inside["error"].mean())}
        if has_skill:
            of_mean = float(inside["square_of_mean"].sum())
            record["skill"] = None if of_mean == 0 else 1 - float(inside["square"].sum()) / of_mean
        records.append(record)
    return records
