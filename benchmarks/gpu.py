"""Fill the GPU table of README.md: how fast networks train and predict on this machine's GPU.

    python benchmarks/gpu.py

For each of the coursework's networks: a whole epoch of training and the prediction of every
picture, as a run does them, with reading; and the bare steps on a batch that already lies on the
device, which is what the network alone allows. Beside them stands a large matrix product in bf16,
the bound of the device. Writes ``.bench/gpu.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from run import WORK, make_pictures, time_ours
from torch.utils.flop_counter import FlopCounterMode

from basrelief.config import load_settings
from basrelief.learn.arithmetic import LAYOUT, Arithmetic, choose_arithmetic
from basrelief.learn.augment import augment_chips
from basrelief.learn.encoders import NetworkPlan, build_network, set_trainable
from basrelief.learn.optimise import make_optimiser
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import squared_error

N_PICTURES, STEPS = 2048, 64
SIDE = 8192
"""Of the matrices whose product is the bound."""

N_TIMED = 20


def time_device(work: Callable[[], object], n: int = N_TIMED) -> float:
    """Seconds of a piece of work on the device: the mean of ``n``, after three to warm up."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(n):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / n


def measure_bound() -> float:
    """TFLOP a second of a large matrix product in bf16, of random numbers."""
    one, other = torch.randn(2, SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
    return 2 * SIDE**3 / time_device(lambda: one @ other) / 1e12


def measure_steps(recipe: NetworkRecipe, config: Path) -> dict[str, float]:
    """Pictures a second of bare steps, and what a picture's step computes in GFLOP."""
    settings = load_settings(config)
    arithmetic: Arithmetic = choose_arithmetic(settings)
    plan = NetworkPlan("shaded", ("crime",), 224)
    network = build_network(recipe, plan, settings, torch.Generator().manual_seed(1))
    set_trainable(network, recipe.train.trainable)
    network.to("cuda").to(memory_format=LAYOUT)
    optimiser = make_optimiser(recipe.optimiser, network)
    n = recipe.train.batch_size
    chips = torch.randint(0, 256, (n, 3, 224, 224), device="cuda").float()
    labels, std = torch.randn(n, 1, device="cuda"), torch.ones(1, device="cuda")
    generator = torch.Generator().manual_seed(1)

    def train() -> None:
        network.train()
        optimiser.zero_grad()
        varied = augment_chips(chips, recipe.augment, generator)
        with arithmetic.autocast():
            predicted = network(varied.contiguous(memory_format=LAYOUT))
        squared_error(predicted, labels, std).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    @torch.inference_mode()
    def predict() -> None:
        network.eval()
        with arithmetic.autocast():
            network(chips.contiguous(memory_format=LAYOUT))

    found = {}
    for name, work in (("training", train), ("prediction", predict)):
        with FlopCounterMode(display=False) as counter:
            work()
        found[f"{name}_gflop"] = counter.get_total_flops() / n / 1e9
        found[f"{name}_alone"] = n / time_device(work)
    return found


def main() -> None:
    """Measure, print and write."""
    WORK.mkdir(exist_ok=True)
    pictures = make_pictures(WORK / "pictures-gpu", N_PICTURES)
    figures = {"bound_tflops": measure_bound()}
    whole = time_ours(pictures, STEPS, n_predicted=N_PICTURES)
    for name in ("vgg16", "resnet50v2"):
        config = pictures / f"{name}.toml"
        recipe = load_recipe(f"coursework-{name}", load_settings(config))
        assert isinstance(recipe, NetworkRecipe)
        alone = measure_steps(recipe, config)
        for work in ("training", "prediction"):
            rate, bare = whole[f"{name}_{work}"], alone[f"{work}_alone"]
            figures[f"{name}_{work}"] = rate
            figures[f"{name}_{work}_alone"] = bare
            figures[f"{name}_{work}_input_share"] = max(0.0, 1 - rate / bare)
            share = bare * alone[f"{work}_gflop"] / 1e3 / figures["bound_tflops"]
            figures[f"{name}_{work}_alone_share_of_bound"] = share
    print(torch.cuda.get_device_name(), f"torch {torch.__version__}")
    for name, figure in figures.items():
        print(f"{name}: {figure:.3g}")
    (WORK / "gpu.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
