"""How much faster the coursework's VGG16 is trained on views that are drawn once.

    python benchmarks/views.py [EPOCHS]

Trains `coursework-vgg16` on `examples/coursework.toml` at the coursework's own length (20 epochs of
64 steps, 32 of validation) with 4 views of each picture, then Keras, and two short epochs that draw
anew, in turn on the same machine. The whole of Keras, which takes hours, is its rate times the same
pictures; with fewer EPOCHS ours is what comes besides them and 20 times a later one. Seconds are of
the processor, of both cores together, which other work beside changes least. The table is kept in
``.bench/views.jsonl``.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from run import HERE, SHARED, WORK, keep_table, make_pictures, time_keras

from basrelief.chips.store import load_samples
from basrelief.config import Settings, load_settings
from basrelief.learn import networks
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import train_epoch
from basrelief.learn.training_recipes import count_batches
from basrelief.run import Run
from basrelief.running import run_stages
from basrelief.splits.heldout import chip_folds

EPOCHS, VIEWS, ANEW_STEPS = 20, 4, 6


def train(settings: Settings, run: Run, name: str) -> tuple[list[float], float, int, int]:
    """Train on the chips at random.

    Returns
    -------
    Processor seconds of each epoch, and of all else; and pictures that an epoch learns from, and
    validates on.
    """
    recipe = load_recipe("coursework-vgg16", settings)
    assert isinstance(recipe, NetworkRecipe)
    samples = load_samples(run)
    (fold,) = (each for each in chip_folds(run, samples, settings) if each.scheme == "random")
    folder = run.models / name
    folder.mkdir(parents=True, exist_ok=True)
    epochs: list[float] = []

    def time_epoch(*given: Any) -> Any:
        start = time.process_time()
        row = train_epoch(*given)
        epochs.append(time.process_time() - start)
        return row

    networks.train_epoch = time_epoch  # type: ignore[attr-defined]
    start = time.process_time()
    networks.train_network(recipe, samples, fold, folder, settings, run)
    other = time.process_time() - start - sum(epochs)
    of, n_train, n_checked = recipe.train, len(fold.train), len(fold.validation)
    # The last batch of a pass is smaller, here as in Keras.
    learnt = (of.steps_per_epoch or 0) * n_train // count_batches(n_train, of.batch_size)
    n_batches = count_batches(n_checked, of.validation_batch_size)
    looked = (of.validation_steps or 0) * n_checked // n_batches
    return epochs, other, learnt, looked


def main() -> None:
    epochs = int(sys.argv[1]) if sys.argv[1:] else EPOCHS
    WORK.mkdir(exist_ok=True)
    text = (HERE.parent / "examples" / "coursework.toml").read_text()
    config = WORK / "views.toml"
    short = "epochs = 3\nsteps_per_epoch = 8"
    config.write_text(text.replace("../../shared/data", str(SHARED)).replace(short, ""))
    weights = SHARED / "weights" / "vgg16_imagenet_notop.weights.h5"
    asked = ["models.recipes = ['coursework-vgg16']", 'out = "views"']
    asked += [f"models.weights = {{ vgg16 = '{weights}' }}"]
    base = load_settings(config, asked)
    run = Run(base.locate(base.out), quiet=False)
    run_stages(base, run, ["chips", "describe", "split"])
    shorter = [f"models.steps_per_epoch = {ANEW_STEPS}", "models.epochs = 2"]
    spent, _, learnt, looked = train(load_settings(config, asked + shorter), run, "anew")
    anew = (learnt + looked) / spent[-1]
    whole = [f"models.epochs = {epochs}"]
    spent, before_s, learnt, looked = train(
        load_settings(config, [*asked, *whole, f"models.views = {VIEWS}"]), run, "views"
    )
    later_s = float(np.median(spent[1:]))
    # What is drawn once is paid for once, however many epochs follow.
    whole_s = before_s + EPOCHS * later_s
    keras = time_keras(make_pictures(WORK / "pictures", 640), "vgg16")
    keras_s = learnt * keras["vgg16_training_cpu_s"] + looked * keras["vgg16_prediction_cpu_s"]
    anew_s = (learnt + looked) / anew
    found = {
        "epochs_measured": epochs,
        "epoch_of_keras_s": keras_s,
        "epoch_anew_s": anew_s,
        "later_epoch_s": later_s,
        "besides_epochs_s": before_s,
        "later_epochs_over_anew": anew_s / later_s,
        "whole_over_anew": EPOCHS * anew_s / whole_s,
        "whole_over_keras": EPOCHS * keras_s / whole_s,
    }
    keep_table(found, WORK / "views.jsonl")


if __name__ == "__main__":
    main()
