from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray

from basrelief.config import Settings
from basrelief.explain import readout
from basrelief.explain.readout import DenseModel, find_models, make_readout, sum_of_cells
from basrelief.learn.area_models import AreaModel, load_model
from basrelief.learn.linear import REACH, LinearModel
from basrelief.learn.recipes import DenseRecipe
from basrelief.run import Run

Floats = NDArray[np.float64]
N_CHANNELS, N_CELLS = 6, 40


def make_model(statistics: list[str], scale: float = 1.0, seed: int = 0) -> DenseModel:
    """A model of two targets on one feature map; a small scale cuts features off."""
    rng, n = np.random.default_rng(seed), N_CHANNELS * len(statistics)
    names = [
        f"1m/raised/3/{name}/{channel}" for name in statistics for channel in range(N_CHANNELS)
    ]
    member = DenseRecipe.model_validate(
        {
            "kind": "dense",
            "name": "small",
            "about": "a",
            "backbone": "vgg11",
            "stages": [3],
            "resolutions_m": [1.0],
            "statistics": statistics,
        }
    )
    linear = LinearModel(
        mean=rng.uniform(0.3, 0.7, n),
        scale=scale * rng.uniform(0.1, 0.3, n),
        coef=rng.normal(size=(n, 2)),
        intercept=rng.normal(size=2),
        weight=np.ones((1, 2)),
        is_fallback=np.zeros(2, dtype=bool),
    )
    features = pd.DataFrame(np.zeros((1, n)), index=["E0"], columns=names)
    return DenseModel(("small",), ("a", "b"), linear, (member,), Path(), features)


def make_cells() -> tuple[NDArray[np.float32], Floats]:
    """Activations, (channel, cell), and how much of each cell counts."""
    rng = np.random.default_rng(1)
    cells = rng.gamma(0.5, 1.0, (N_CHANNELS, N_CELLS)).astype(np.float32)
    return cells, rng.uniform(0, 1, N_CELLS)


def pool(cells: NDArray[np.float32], weight: Floats, statistics: list[str]) -> Floats:
    mean = np.average(cells, axis=1, weights=weight)
    spread = np.sqrt(np.average((cells - mean[:, None]) ** 2, axis=1, weights=weight))
    return np.concatenate([{"mean": mean, "std": spread}[name] for name in statistics])


def explain(model: DenseModel, statistics: list[str]) -> tuple[Floats, Floats]:
    """What each cell adds, (cell, target), and the area's features."""
    cells, weight = make_cells()
    x = pool(cells, weight, statistics)
    found = make_readout(model, model.feature_maps[0], x).read(cells)
    return found * (weight / weight.sum())[:, None], x


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_what_cells_add_is_the_prediction_less_the_intercept(scale: float) -> None:
    model = make_model(["mean"], scale)
    added, x = explain(model, ["mean"])
    expected = model.predict(x) - model.linear.intercept
    np.testing.assert_allclose(added.sum(axis=0), expected, rtol=1e-9)
    np.testing.assert_allclose(sum_of_cells(model, x), expected, rtol=1e-9)
    is_cut_off = np.abs((x - model.linear.mean) / model.linear.scale) > REACH
    assert is_cut_off.any() == (scale < 1)


@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize("statistics", [["mean", "std"], ["std", "mean"]])
def test_with_spreads_it_is_the_prediction_less_that_of_even_ground(
    statistics: list[str], scale: float
) -> None:
    model = make_model(statistics, scale)
    added, x = explain(model, statistics)
    feature_map, even = model.feature_maps[0], np.zeros_like(x)
    even[feature_map.mean] = model.linear.mean[feature_map.mean]
    expected = model.predict(x) - model.predict(even)
    np.testing.assert_allclose(added.sum(axis=0), expected, rtol=1e-6)
    np.testing.assert_allclose(sum_of_cells(model, x), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_what_cells_add_equals_captums_integrated_gradients(scale: float) -> None:
    model = make_model(["mean", "std"], scale)
    added, _ = explain(model, ["mean", "std"])
    cells, weight = make_cells()
    share = torch.from_numpy(weight / weight.sum())
    linear = {name: torch.from_numpy(getattr(model.linear, name)) for name in ("mean", "scale")}
    coef = torch.from_numpy(model.linear.coef)

    def predict(batch: torch.Tensor) -> torch.Tensor:  # (batch, channel, cell)
        mean = (batch * share).sum(dim=2)
        spread = (((batch - mean[:, :, None]) ** 2 * share).sum(dim=2)).sqrt()
        x = torch.cat([mean, spread], dim=1)
        return ((x - linear["mean"]) / linear["scale"]).clip(-REACH, REACH) @ coef

    start = torch.from_numpy(model.linear.mean[:N_CHANNELS, None].repeat(N_CELLS, axis=1))[None]
    gradients = IntegratedGradients(predict)
    inputs = torch.from_numpy(cells.astype(np.float64))[None]
    for target in range(2):
        # Midpoints, since nothing has a spread at the start; many of them, since the gradient
        # jumps where a feature begins or ceases to be cut off.
        found = gradients.attribute(
            inputs, start, target=target, n_steps=1000, method="riemann_middle"
        )
        expected = found[0].sum(dim=0).numpy()
        atol = 5e-3 * np.abs(expected).max()
        np.testing.assert_allclose(added[:, target], expected, atol=atol)


def test_a_channel_that_does_not_vary_in_an_area_has_no_spread_to_share_out() -> None:
    model, (cells, weight) = make_model(["mean", "std"]), make_cells()
    cells[0] = 0.25
    x = pool(cells, weight, ["mean", "std"])
    x[N_CHANNELS] = 0.0
    found = make_readout(model, model.feature_maps[0], x).read(cells)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(weight @ found / weight.sum(), sum_of_cells(model, x), rtol=1e-5)


def test_an_area_without_ground_that_counts_adds_nothing() -> None:
    model = make_model(["mean", "std"])
    np.testing.assert_array_equal(sum_of_cells(model, np.full(2 * N_CHANNELS, np.nan)), [0.0, 0.0])


def test_every_model_is_explained_as_it_predicts(built: tuple[Run, Settings]) -> None:
    run, _ = built
    models = find_models(run, ["means", "on-top", "spreads", "two"])
    assert [model.recipes for model in models] == [("means",), ("on-top",), ("spreads",), ("two",)]
    assert all("crime" in model.targets for model in models)
    assert find_models(run, ["relief-statistics"]) == []


def test_a_target_that_dense_features_do_not_count_for_has_no_map(
    built: tuple[Run, Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = built
    (model,) = find_models(Run(run.folder), ["means"])
    assert model.targets == ("crime",)
    assert "means: no map of health: dense features count for nothing" in capsys.readouterr().out
    assert model.linear.coef.shape[1] == len(model.linear.intercept) == 1


def test_a_stack_that_rests_on_other_members_alone_is_left_out(
    built: tuple[Run, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = built
    names = pd.read_parquet(run.models / "unsure" / "final" / "training.parquet").columns
    n_dense = sum("/mean/" in name for name in names)
    monkeypatch.setattr(readout, "load_model", lambda path: _forget(path, n_dense))
    assert find_models(run, ["unsure"]) == []


def _forget(path: Path, n_features: int) -> AreaModel:
    model = load_model(path)
    model.alone.coef[-n_features:] = 0.0
    return model


def test_a_recipe_that_pools_spreads_alone_is_left_out_with_a_line(
    built: tuple[Run, Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = built
    path = run.models / "spreads" / "final" / "members" / "0-spreads" / "recipe.toml"
    text = path.read_text()
    path.write_text(text.replace('["std", "mean"]', '["std"]'))
    try:
        assert find_models(Run(run.folder), ["spreads"]) == []
    finally:
        path.write_text(text)
    assert "spreads left out: it pools spreads without means" in capsys.readouterr().out


def test_each_sheet_finds_its_own_features(built: tuple[Run, Settings]) -> None:
    run, _ = built
    model = find_models(run, ["two"])[0]
    names = np.array(model.features.columns)
    for feature_map in model.feature_maps:
        pool = (("rough", "raised"), ("raised",))[feature_map.member][feature_map.pool]
        prefix = (
            f"{feature_map.member}/{feature_map.resolution_m:g}m/{pool}/{(2, 1)[feature_map.stage]}"
        )
        channels = range(len(feature_map.mean))
        assert names[feature_map.mean].tolist() == [f"{prefix}/mean/{k}" for k in channels]
        spreads = [f"{prefix}/std/{k}" for k in channels] if feature_map.member == 0 else []
        assert names[feature_map.std].tolist() == spreads
    assert len(model.feature_maps) == 12
