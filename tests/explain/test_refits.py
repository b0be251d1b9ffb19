"""The model fitted again without some blocks: against brute force, and against labels redrawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain.area_stage import fit_refits
from basrelief.explain.contributions import Scene, draw_contributions, set_scene
from basrelief.explain.kinds import KINDS
from basrelief.explain.readout import find_models, sum_of_cells
from basrelief.explain.refits import fit_again, jackknife, refit_without_blocks
from basrelief.learn.area_models import AreaModel, TrainingAreas
from basrelief.learn.joint import AreaTerms, fit_joint
from basrelief.learn.place import Locations
from basrelief.run import Run


def set_up(built: tuple[Run, Settings], recipe: str) -> Scene:
    run, settings = built
    (model,) = find_models(run, [recipe])
    return set_scene(model, load_samples(run), settings)


@pytest.mark.parametrize("recipe", ["means", "on-top"])
def test_what_all_kinds_add_by_a_refit_is_what_its_coefficients_say(
    built: tuple[Run, Settings], recipe: str, tmp_path: Path
) -> None:
    scene = set_up(built, recipe)
    refits = fit_refits(scene)
    assert refits is not None
    tally, _ = draw_contributions(scene, tmp_path, built[0], refits)
    for k in range(refits.coef.shape[1]):
        again = replace(scene.model, linear=replace(scene.model.linear, coef=refits.coef[:, k]))
        kept = [area_id for area_id in tally if refits.group[area_id] != k]
        assert 0 < len(kept) < len(tally)
        expected = np.sum([sum_of_cells(again, again.describe(each)) for each in kept], axis=0)
        found = refits.sums[k, : len(KINDS)].sum(axis=0)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(refits.coef).sum())
    blocks = {refits.group[each]: set[str]() for each in tally}
    for each in tally:
        blocks[refits.group[each]].add(scene.blocks.loc[each])
    # Whole blocks: none lies in two groups.
    assert sum(len(names) for names in blocks.values()) == scene.blocks.nunique()


def test_maps_are_the_same_whether_or_not_models_are_fitted_again(
    built: tuple[Run, Settings], tmp_path: Path
) -> None:
    scene = set_up(built, "means")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (plain,) = draw_contributions(scene, one, built[0])[1]
    (beside,) = draw_contributions(scene, two, built[0], fit_refits(scene))[1]
    assert plain.read_bytes() == beside.read_bytes()


def test_with_few_blocks_nothing_is_fitted_again(built: tuple[Run, Settings]) -> None:
    scene = set_up(built, "means")
    few = scene.blocks.where(scene.blocks.isna(), "one")
    assert refit_without_blocks(scene.fitted, scene.data, few, [0], 0) is None


def draw_areas(rng: np.random.Generator, n: int = 60) -> TrainingAreas:
    """Areas in blocks of two whose label is two features and noise."""
    X = rng.normal(size=(n, 4))
    labels = X @ np.array([[1.0], [-0.5], [0.0], [0.0]]) + rng.normal(size=(n, 1))
    blocks = np.repeat(np.arange(n // 2), 2).astype(str)
    return TrainingAreas(AreaTerms({"x": X}, Locations(None)), labels, blocks, is_many=False)


def test_standard_errors_are_what_coefficients_vary_by_from_sample_to_sample() -> None:
    rng, n_groups = np.random.default_rng(0), 15
    fits, errors = [], []
    for draw in range(40):
        areas = draw_areas(rng)
        joint = fit_joint(areas.terms, areas.labels)
        fits.append(joint.linear.coef[:2, 0])
        if draw >= 12:
            continue
        fitted = AreaModel(("x",), joint.linear, joint)
        group = np.arange(60) // 4
        without = [
            fit_again(fitted, areas.take(np.flatnonzero(group != k)), 0).coef[:2, 0]
            for k in range(n_groups)
        ]
        errors.append(jackknife(np.array(without)))
    ratio = np.mean(errors, axis=0) / np.std(fits, axis=0)
    assert ((ratio > 0.7) & (ratio < 1.5)).all()
