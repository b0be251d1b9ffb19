"""How weights are moved, and how far at each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from basrelief.learn.encoders import Network
from basrelief.learn.training_recipes import OptimiserRecipe, TrainRecipe

RMSPROP_RHO = 0.9
RMSPROP_EPSILON = 1e-7


class KerasRMSprop(Optimizer):
    """RMSprop as Keras 3 has it: epsilon inside the square root.

    torch's own adds it outside, and starts from other defaults. With gradients near zero
    (a frozen network with large dropout has many) the two move weights very differently.

    References
    ----------
    Tieleman and Hinton (2012), lecture 6.5; Keras 3, ``keras/src/optimizers/rmsprop.py``.
    """

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._move(weights, [weight.grad for weight in weights], group["lr"])

    def _move(self, weights: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["velocity"] = torch.zeros_like(weight)
        velocity = [self.state[weight]["velocity"] for weight in weights]
        # All weights in one call each: on a GPU a call costs more than a small layer's arithmetic.
        torch._foreach_mul_(velocity, RMSPROP_RHO)
        torch._foreach_addcmul_(velocity, gradients, gradients, value=1 - RMSPROP_RHO)
        spread = torch._foreach_add(velocity, RMSPROP_EPSILON)
        torch._foreach_sqrt_(spread)
        torch._foreach_addcdiv_(weights, gradients, spread, value=-rate)


def make_optimiser(recipe: OptimiserRecipe, network: Network) -> Optimizer:
    """Make the optimiser of what is trainable now; each group knows its share of the rate."""
    modules: list[tuple[nn.Module, float]] = [(network.head, 1.0)]
    modules += [(backbone, recipe.backbone_factor) for backbone in network.backbones]
    groups = []
    for module, factor in modules:
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        if weights:
            groups.append({"params": weights, "factor": factor})
    if recipe.name == "keras-rmsprop":
        return KerasRMSprop(groups, lr=recipe.learning_rate)
    return AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Give each group its share of a learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def schedule_rate(
    recipe: OptimiserRecipe, train: TrainRecipe, step: int, steps_per_epoch: int
) -> float:
    """Learning rate of the head at a step, counted from 0 over the whole training.

    A function of the step alone: nothing to keep when a run is killed.

    References
    ----------
    Loshchilov and Hutter (2017), ICLR, one period without restarts.
    """
    n_steps = train.epochs * steps_per_epoch
    # At least one step is left at full rate: a quick look may be shorter than its warm-up.
    n_warm = min(recipe.warm_up_epochs * steps_per_epoch, n_steps - 1)
    if step < n_warm:
        return recipe.warm_up_learning_rate or recipe.learning_rate * (step + 1) / n_warm
    if recipe.schedule == "constant":
        return recipe.learning_rate
    # Down to 0 at the end of the whole training: a longer one has other rates from its start.
    share = (step - n_warm) / (n_steps - n_warm)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
