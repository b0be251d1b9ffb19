"""How much of predictions a map explains, where place is joined and where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain.contributions import Scene, set_scene
from basrelief.explain.readout import find_models
from basrelief.explain.shares import keep_explained, measure_shares
from basrelief.learn.area_models import predict_areas
from basrelief.run import Run


def set_up(built: tuple[Run, Settings], recipe: str) -> Scene:
    run, settings = built
    (model,) = find_models(run, [recipe])
    return set_scene(model, load_samples(run), settings)


def measure(scene: Scene) -> dict[str, dict[str, Any]]:
    return {record["target"]: record for record in measure_shares(scene)}


def test_where_ground_is_all_that_predicts_the_map_explains_everything(
    built: tuple[Run, Settings],
) -> None:
    found = measure(set_up(built, "means"))
    assert found["crime"]["map"] == pytest.approx(1.0)
    # Its mean is all that is predicted of it.
    assert (found["health"]["map"], found["health"]["rest"]) == (None, None)


def test_parts_of_a_joint_prediction_add_up_to_all_of_it(built: tuple[Run, Settings]) -> None:
    scene = set_up(built, "on-top")
    found = measure(scene)
    for record in found.values():
        parts = [record[name] for name in ("map", "place", "district", "rest")]
        assert sum(parts) == pytest.approx(1.0)
        assert record["rest"] == pytest.approx(0.0, abs=1e-6)
    # Crime is how high it is built, and nothing of health lies on the ground.
    assert found["crime"]["map"] > 0.8
    assert found["health"]["map"] < found["crime"]["map"]


def test_a_joint_model_is_tested_on_all_that_it_predicts_by(built: tuple[Run, Settings]) -> None:
    scene = set_up(built, "on-top")
    area_ids = scene.areas["area_id"].to_numpy(dtype=object).astype(str)
    rng = np.random.default_rng(0)
    expected = predict_areas(scene.fitted, scene.data.terms(area_ids), rng)
    known = [scene.samples.targets.index(target) for target in scene.model.targets]
    found = [scene.predict(area_id, scene.model.describe(area_id)) for area_id in area_ids]
    np.testing.assert_allclose(found, expected[:, known], rtol=1e-6, atol=1e-9)


def test_a_target_of_which_the_map_would_explain_next_to_nothing_has_no_map(
    built: tuple[Run, Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    scene = set_up(built, "on-top")
    shares = measure_shares(scene)
    little = [
        record | {"map": 0.03} if record["target"] == "health" else record for record in shares
    ]
    kept = keep_explained(scene, little, Run(built[0].folder))
    assert kept is not None
    assert kept.model.targets == ("crime",)
    if "health" in scene.model.targets:
        assert "on-top: no map of health: 0.03 of predictions" in capsys.readouterr().out
    assert keep_explained(scene, [record | {"map": None} for record in shares], built[0]) is None
