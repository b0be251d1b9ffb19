import math
from typing import Any

import numpy as np
import pytest
import torch

from basrelief.learn.optimise import KerasRMSprop, schedule_rate
from basrelief.learn.training_recipes import OptimiserRecipe, TrainRecipe


def test_rmsprop_equals_keras(keras: Any) -> None:
    start = np.array([1.0, -2.0, 0.5], np.float32)
    gradients = [np.array([0.3, -1e-4, 2.0], np.float32) * k for k in (1, -2, 0.5, 3)]
    theirs = keras.Variable(start)
    optimizer = keras.optimizers.RMSprop(1e-2)
    ours = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimiser = KerasRMSprop([ours], lr=1e-2)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [theirs])
        ours.grad = torch.from_numpy(gradient)
        optimiser.step()
    expected = theirs.value.detach().cpu().numpy()
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-6)


def train(**given: Any) -> TrainRecipe:
    return TrainRecipe(trainable="all", epochs=4, batch_size=2, **given)


def test_cosine_rises_to_its_rate_and_falls_to_almost_nothing() -> None:
    recipe = OptimiserRecipe(learning_rate=0.1, schedule="cosine", warm_up_epochs=1)
    rates = [schedule_rate(recipe, train(), step, 5) for step in range(20)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5] == pytest.approx(0.1)
    assert rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.002


def test_a_training_shorter_than_its_warm_up_still_learns() -> None:
    recipe = OptimiserRecipe(learning_rate=0.1, schedule="cosine", warm_up_epochs=9)
    rates = [schedule_rate(recipe, train(), step, 1) for step in range(4)]
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)


def test_a_warm_up_has_a_smaller_rate_and_then_the_full_one() -> None:
    recipe = OptimiserRecipe(learning_rate=1e-6, warm_up_epochs=1, warm_up_learning_rate=1e-7)
    rates = [schedule_rate(recipe, train(), step, 2) for step in range(4)]
    assert rates == [1e-7, 1e-7, 1e-6, 1e-6]


def test_a_constant_rate_is_risen_to_as_well() -> None:
    recipe = OptimiserRecipe(learning_rate=0.4, warm_up_epochs=2)
    rates = [schedule_rate(recipe, train(), step, 2) for step in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
