"""What a killed or a longer training goes on from: one file, replaced after every epoch."""

from __future__ import annotations

import hashlib
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
from basrelief.hashes import hash_file
from basrelief.learn.recipe_files import format_recipe, read_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import Keep
from basrelief.run import MODEL, Run, read_record, replacing

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
    found = read_record(folder / "finished.json")
    model = folder / MODEL
    if found.get("fingerprint") != fingerprint or not model.is_file():
        return False
    return bool(found.get("sha256") == hash_file(model))


def without_length(recipe: NetworkRecipe) -> NetworkRecipe:
    """Give what a training's finished epochs depend on: not on how many follow, if it may."""
    if not can_be_longer(recipe):
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1})})


def can_be_longer(recipe: NetworkRecipe) -> bool:
    """Say whether more epochs leave those before as they were: in rate, and in what is seen."""
    is_warm = recipe.optimiser.warm_up_epochs < recipe.train.epochs
    # Whether views are drawn once hangs on how long they serve.
    is_anew = recipe.train.views is None
    return recipe.optimiser.schedule == "constant" and is_warm and is_anew


def say_anew(
    name: str, folder: Path, recipe: NetworkRecipe, run: Run, why: str | None = None
) -> None:
    """Say which finished epochs are thrown away, and why; by default what changed."""
    history = folder / "history.csv"
    n_epochs = len(history.read_bytes().splitlines()) - 1 if history.is_file() else 0
    if n_epochs < 1:
        return
    if why is None:
        why = _find_change(folder, recipe)
    run.say(f"note: {name}: begins anew, and {n_epochs} finished epochs are thrown away: {why}")


def _find_change(folder: Path, recipe: NetworkRecipe) -> str:
    """Say what differs from the training that a folder holds."""
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
    return why


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
    # The first of equals: later epochs only fit the training chips better.
    return min(history, key=lambda row: row.val_loss).epoch


def write_history(history: list[Epoch], path: Path) -> None:
    """Write one row an epoch."""
    with replacing(path) as part:
        pd.DataFrame([asdict(row) for row in history]).to_csv(part, index=False)


@dataclass(frozen=True)
class Behind:
    """What a training has behind it."""

    fingerprint: str
    """Of all that its epochs depend on."""

    history: list[Epoch]
    kept_sha256: str
    """Of the model of the epoch that is kept so far."""

    def facts(self) -> dict[str, str]:
        """Write it as texts, as a checkpoint holds them."""
        rows = json.dumps([asdict(row) for row in self.history])
        return {"fingerprint": self.fingerprint, "history": rows, "kept": self.kept_sha256}


def write_checkpoint(path: Path, behind: Behind, network: nn.Module, optimiser: Optimizer) -> None:
    """Write all that the next epoch depends on, whole or not at all.

    No state of a random generator is among it: everything random is drawn from the seed and
    the number of the epoch.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            # An optimiser's state may hold plain numbers, and safetensors holds tensors alone.
            tensors[f"optimiser.{number}.{key}"] = torch.as_tensor(value)
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    facts = behind.facts()
    with replacing(path) as part:
        save_file(plain, part, metadata=facts | {"sha256": _hash_checkpoint(plain, facts)})


def read_behind(folder: Path, fingerprint: str) -> tuple[Behind, str | None]:
    """Read what a training in a folder has behind it.

    Returns
    -------
    It, without any epoch where there is nothing to go on from; and what was found changed or
    damaged, if anything was.
    """
    path, model, nothing = folder / LAST, folder / MODEL, Behind(fingerprint, [], "")
    # A checkpoint has the last epoch's weights alone: without those kept it is no use.
    if not model.is_file():
        return nothing, None
    sha256 = hash_file(model)
    if not path.is_file():
        known = read_record(folder / "finished.json").get("sha256", sha256)
        return nothing, None if known == sha256 else _say_damaged(model)
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
        expected = facts.pop("sha256", None)
        if expected != _hash_checkpoint(_read_below(path, ""), facts):
            return nothing, _say_damaged(path)
        history = [Epoch(**row) for row in json.loads(facts["history"])]
        found = Behind(facts["fingerprint"], history, facts["kept"])
    # However a disk, or another program, leaves it: begin anew rather than stop.
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return nothing, _say_damaged(path)
    if found.kept_sha256 != sha256:
        return nothing, _say_damaged(model)
    return (found if found.fingerprint == fingerprint else nothing), None


def _say_damaged(path: Path) -> str:
    return f"{path.name} was changed or damaged since it was written"


def _hash_checkpoint(tensors: dict[str, Tensor], facts: dict[str, str]) -> str:
    """Hash all that a checkpoint holds: numbers whose bits are others are numbers all the same."""
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for key, value in sorted(tensors.items()):
        found.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def restore_network(path: Path, network: nn.Module) -> None:
    """Put a checkpoint's weights into a network."""
    network.load_state_dict(_read_below(path, "network."))


def restore_optimiser(path: Path, optimiser: Optimizer) -> None:
    """Put a checkpoint's state into an optimiser of the same weights."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _read_below(path, "optimiser.").items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    # Rates are set from the step, so only what the optimiser gathered is restored.
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _read_below(path: Path, prefix: str) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
        return {key.removeprefix(prefix): file.get_tensor(key) for key in keys}
