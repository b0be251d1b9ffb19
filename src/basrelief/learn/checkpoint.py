"""What a killed or a longer training goes on from: one file, replaced after every epoch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from basrelief.config import InputError
from basrelief.learn.recipes import NetworkRecipe, format_recipe, read_recipe
from basrelief.learn.training_recipes import Keep
from basrelief.run import MODEL, Run, read_json, replacing

LAST = "last.safetensors"
"""What holds the last epoch's weights, the optimiser's state, and the history."""


@dataclass(frozen=True)
class Epoch:
    """One row of ``history.csv``."""

    epoch: int
    """Counted from 1."""

    loss: float
    """Mean squared error over the epoch's training batches, with dropout and augmentation."""

    val_loss: float
    """The same over the validation batches, without dropout."""

    seconds: float
    learning_rate: float
    """Of the head, at the epoch's last step."""

    frozen: bool
    """Whether the head alone was trained."""


def is_trained(folder: Path, fingerprint: str) -> bool:
    """Whether a folder holds a finished training of exactly this."""
    path = folder / "finished.json"
    if not path.exists() or not (folder / MODEL).exists():
        return False
    return bool(read_json(path)["fingerprint"] == fingerprint)


def without_length(recipe: NetworkRecipe) -> NetworkRecipe:
    """Give what a training's finished epochs depend on: not on how many follow, if it may."""
    if not can_be_longer(recipe):
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1})})


def can_be_longer(recipe: NetworkRecipe) -> bool:
    """Say whether more epochs leave the rate of those before as it was."""
    is_warm = recipe.optimiser.warm_up_epochs < recipe.train.epochs
    return recipe.optimiser.schedule == "constant" and is_warm


def say_anew(name: str, folder: Path, recipe: NetworkRecipe, run: Run) -> None:
    """Say which finished epochs are thrown away, and why."""
    history = folder / "history.csv"
    n_epochs = len(history.read_text(encoding="utf-8").splitlines()) - 1 if history.exists() else 0
    if n_epochs < 1:
        return
    try:
        before = _flatten(read_recipe(folder / "recipe.toml").model_dump())
    except (OSError, InputError):
        before = {}
    now = _flatten(recipe.model_dump())
    changed = [
        f"{key} {before[key]} is now {now[key]}"
        for key in now
        if key in before and before[key] != now[key]
    ]
    why = ", ".join(changed[:3]) or "its chips, labels, weights or seed are others"
    if "train.epochs" in why and recipe.optimiser.schedule != "constant":
        why += f", and a {recipe.optimiser.schedule} schedule gives each epoch another rate by it"
    run.say(f"note: {name}: begins anew, and {n_epochs} finished epochs are thrown away: {why}")


def _flatten(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Name values of tables within tables: ``train.epochs``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flatten(value, f"{before}{key}.") if isinstance(value, dict) else None
        flat |= {f"{before}{key}": value} if inner is None else inner
    return flat


def begin_folder(folder: Path, recipe: NetworkRecipe, *, is_anew: bool) -> None:
    """Remove what another training left in a fold's folder, and write the recipe."""
    others = (LAST, MODEL, "history.csv") if is_anew else ()
    for name in ("finished.json", *others):
        (folder / name).unlink(missing_ok=True)
    with replacing(folder / "recipe.toml") as part:
        part.write_text(format_recipe(recipe), encoding="utf-8")


def find_kept(history: list[Epoch], keep: Keep) -> int:
    """Find the number of the epoch whose weights are kept; of equal losses the first.

    Training losses are compared among epochs that train the backbone too, once there is one:
    while it is frozen its batch normalisation counts otherwise.
    """
    if keep == "last":
        return history[-1].epoch
    if keep == "best_training_loss":
        whole = [row for row in history if not row.frozen]
        return min(whole or history, key=lambda row: row.loss).epoch
    return min(history, key=lambda row: row.val_loss).epoch


def write_history(history: list[Epoch], path: Path) -> None:
    """Write one row an epoch."""
    with replacing(path) as part:
        pd.DataFrame([asdict(row) for row in history]).to_csv(part, index=False)


def write_checkpoint(
    path: Path, fingerprint: str, history: list[Epoch], network: nn.Module, optimiser: Optimizer
) -> None:
    """Write all that the next epoch depends on, whole or not at all.

    No state of a random generator is among it: everything random is drawn from the seed and
    the number of the epoch.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for place, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            # An optimiser's state may hold plain numbers, and safetensors holds tensors alone.
            tensors[f"optimiser.{place}.{key}"] = torch.as_tensor(value)
    rows = [asdict(row) for row in history]
    metadata = {"fingerprint": fingerprint, "history": json.dumps(rows)}
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with replacing(path) as part:
        save_file(plain, part, metadata=metadata)


def read_history(path: Path, fingerprint: str) -> list[Epoch]:
    """Read which epochs a checkpoint has behind it; none if it is of another training."""
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
    # Cut short by something else than this program: begin anew rather than stop.
    except SafetensorError:
        return []
    if metadata.get("fingerprint") != fingerprint:
        return []
    return [Epoch(**row) for row in json.loads(metadata["history"])]


def restore_network(path: Path, network: nn.Module) -> None:
    """Put a checkpoint's weights into a network."""
    network.load_state_dict(_read_below(path, "network."))


def restore_optimiser(path: Path, optimiser: Optimizer) -> None:
    """Put a checkpoint's state into an optimiser of the same weights."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _read_below(path, "optimiser.").items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = value
    # Rates are set from the step, so only what the optimiser gathered is restored.
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _read_below(path: Path, prefix: str) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
        return {key.removeprefix(prefix): file.get_tensor(key) for key in keys}
