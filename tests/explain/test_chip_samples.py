from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from basrelief.chips.store import Samples
from basrelief.config import DataSettings, Settings
from basrelief.explain import chip_samples
from basrelief.explain.checks import check_maps, correlate_ranks
from basrelief.explain.chip_samples import (
    N_SQUARES,
    MappedChips,
    blank_chips,
    map_chips,
    number_squares,
    sample_chips,
)
from basrelief.explain.controls import detect_edges, find_verdict
from basrelief.explain.moves import MOVES, measure_between
from basrelief.explain.moves import follow_predictions as follow
from basrelief.explain.random_weights import randomise_weights
from basrelief.explain.samples import Batch, Explanation
from basrelief.learn.encoders import Network, NetworkPlan, build_network
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.stage_settings import ModelSettings

SIZE_PX, N_CHIPS = 32, 20
SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c"),
    models=ModelSettings(weights={"test_resnet": "none"}, device="cpu"),
)
RECIPE = NetworkRecipe(
    kind="network",
    name="small",
    about="a small network",
    backbone="test_resnet",
    bands=["relief"],
    head=HeadRecipe(),
    optimiser=OptimiserRecipe(learning_rate=1e-3),
    train=TrainRecipe(trainable="all", epochs=1, batch_size=4),
)


class Chips:
    """What is read of samples here: an index, and bands."""

    def __init__(self, bands: NDArray[np.float32]) -> None:
        self.bands = bands
        self.chips = pd.DataFrame({"chip_id": [f"c{k}" for k in range(len(bands))]})

    def read_bands(self, rows: NDArray[np.int_], _: str) -> NDArray[np.float32]:
        return self.bands[rows]


def make_network() -> Network:
    plan = NetworkPlan(bands="relief", targets=("crime", "income"), size_px=SIZE_PX)
    network = build_network(RECIPE, plan, SETTINGS, torch.Generator().manual_seed(0))
    randomise_weights(network, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for weights in network.head[-1].parameters():
            weights.copy_(torch.linspace(-1, 1, weights.numel()).reshape(weights.shape))
    return network


def check(network: Network, spread: float = 1.0) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    bands = rng.uniform(0, 20, (N_CHIPS, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    samples = cast(Samples, Chips(bands))
    tested = pd.DataFrame({"id": samples.chips["chip_id"], "target": "income"})
    tested["y_pred"] = spread * rng.normal(size=N_CHIPS)
    tested["y_true"] = np.linspace(-1, 1, N_CHIPS)
    blocks = pd.Series([f"b{k}" for k in range(N_CHIPS)], index=samples.chips["chip_id"])
    mapped = map_chips(network, samples, tested, blocks)
    assert mapped is not None
    explanation, batch = sample_chips(network, mapped, seed=3)
    found = check_maps(explanation, [batch], seed=3)
    listed = [*found.tests, *found.curves, *found.controls]
    assert {record["target"] for record in listed} == {"income"}
    return {record["test"]: record for record in found.tests}


def test_heat_of_a_network_is_tested_five_ways() -> None:
    found = check(make_network())
    assert list(found) == ["randomised weights", "deletion", "insertion", "flat chips", "edges"]
    for record in found.values():
        assert np.isfinite(record["value"])
        assert (record["n"], record["of"]) == (16, "chips")


@pytest.mark.parametrize("spread", [0.0, 1e-9])
def test_of_chips_that_are_predicted_alike_but_for_rounding_there_is_no_heat(spread: float) -> None:
    found = check(make_network(), spread)
    reasons = {name: record.get("reason") for name, record in found.items()}
    assert reasons["deletion"] == reasons["insertion"] == "predicted alike"
    assert reasons["edges"] == "no map"


def test_the_network_that_is_tested_stays_as_it_was() -> None:
    network = make_network()
    before = [weights.clone() for weights in network.parameters()]
    check(network)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_heat_that_does_not_come_from_the_weights_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip_samples, "map_heat", lambda *args: args[2][:, 0].numpy())
    record = check(make_network())["randomised weights"]
    assert record["value"] == pytest.approx(1.0)
    assert record["passes"] is False


def test_heat_along_the_frame_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def frame(_: nn.Module, __: nn.Module, chips: torch.Tensor, ___: int) -> NDArray[np.float32]:
        heat = 0.1 * chips[:, 0].numpy() / 20
        heat[:, 0] = heat[:, -1] = 5.0
        return np.asarray(heat, dtype=np.float32)

    monkeypatch.setattr(chip_samples, "map_heat", frame)
    found = check(make_network())
    assert found["edges"]["passes"] is False
    assert found["flat chips"]["passes"] is False


@pytest.mark.parametrize(("sign", "passes"), [(1, True), (-1, False)])
def test_heat_turned_round_fails_deletion_and_insertion(
    monkeypatch: pytest.MonkeyPatch, sign: int, passes: bool
) -> None:
    # A network that adds up brightness, whose heat is known: how bright each place is.
    def add_up(chips: torch.Tensor) -> torch.Tensor:
        return chips[:, :1].mean(dim=(2, 3)).expand(-1, 2)

    monkeypatch.setattr(chip_samples, "map_heat", lambda *args: sign * args[2][:, 0].numpy())
    network = make_network()
    monkeypatch.setattr(network, "forward", add_up)
    found = check(network)
    for move in MOVES:
        assert (found[move]["value"] > 0) is passes
        assert found[move]["passes"] is passes


def test_a_network_that_says_the_same_everywhere_has_nothing_to_fail() -> None:
    network = make_network()
    with torch.no_grad():
        for weights in network.head[-1].parameters():
            weights.zero_()
    found = check(network)
    assert found["randomised weights"]["value"] == 0.0
    for name in ("edges", *MOVES):
        assert (found[name]["value"], found[name]["passes"]) == (None, None)
        assert found[name]["reason"] == "no map"


def test_where_all_chips_are_predicted_alike_nothing_can_move() -> None:
    found = check(make_network(), spread=0.0)
    for move in MOVES:
        assert (found[move]["passes"], found[move]["reason"]) == (None, "predicted alike")


class Brightness(nn.Module):
    """Predicts a chip's mean brightness, and its opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = NetworkPlan(bands="relief", targets=("bright", "dark"), size_px=28)

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        bright = chips.mean(dim=(1, 2, 3))
        return torch.stack([bright, -bright], dim=1)


def make_objects() -> NDArray[np.float32]:
    """Dark chips with a bright object, each somewhere else."""
    rng = np.random.default_rng(0)
    chips = rng.uniform(0, 0.1, (12, 3, 28, 28)).astype(np.float32)
    for chip, (row, col) in zip(chips, rng.integers(0, 20, (12, 2)), strict=True):
        chip[:, row : row + 8, col : col + 8] = 1.0
    return chips


def sample_objects(
    heat: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, target: str = "bright"
) -> Batch:
    """Sample the dark chips under a heat of our own."""
    monkeypatch.setattr(chip_samples, "map_heat", lambda *args: np.zeros_like(args[2][:, 0]))
    monkeypatch.setattr(chip_samples, "cam_layer", lambda network: network)
    chips = torch.from_numpy(make_objects())
    mapped = MappedChips(
        target, np.arange(12), chips, heat, 1.0, np.array([f"b{k}" for k in range(12)])
    )
    return sample_chips(cast(Network, Brightness()), mapped, seed=0)[1]


@pytest.mark.parametrize(("target", "sign"), [("bright", 1), ("dark", -1)])
def test_each_chips_own_object_is_blanked_first(
    monkeypatch: pytest.MonkeyPatch, target: str, sign: int
) -> None:
    heat = sign * make_objects()[:, 0]
    batch = sample_objects(heat, monkeypatch, target)
    for move, curves in follow(batch, np.random.default_rng(0)).items():
        # What darkens is all ground but the object: by chance it may go as well.
        between = measure_between(move, curves)
        assert between.mean() > 0 if target == "dark" else (between > 0).all()
    turned = sample_objects(-heat, monkeypatch, target)
    for move, curves in follow(turned, np.random.default_rng(0)).items():
        assert measure_between(move, curves).mean() < 0


def test_heat_at_random_does_no_better_than_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = np.random.default_rng(1).normal(size=(12, 28, 28)).astype(np.float32)
    right = follow(sample_objects(make_objects()[:, 0], monkeypatch), np.random.default_rng(0))
    by_chance = follow(sample_objects(heat, monkeypatch), np.random.default_rng(0))
    for move, curves in by_chance.items():
        apart = abs(measure_between(move, curves).mean())
        assert apart < 0.3 * measure_between(move, right[move]).mean()


def test_blank_squares_have_the_middle_of_each_band_and_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = sample_objects(make_objects()[:, 0], monkeypatch)
    chips, middle = make_objects(), np.median(make_objects().transpose(1, 0, 2, 3).reshape(3, -1))
    is_blank = np.zeros((12, N_SQUARES**2), dtype=bool)
    np.testing.assert_allclose(batch.predict(is_blank)[:, 0], chips.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(batch.predict(~is_blank), middle, atol=1e-3)
    is_blank[4, 0] = True
    chips[4, :, :2, :2] = middle
    expected = chips.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(batch.predict(is_blank)[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("side", [9, 28, 32])
def test_squares_count_alike_whatever_the_side_of_a_chip(side: int) -> None:
    numbers = number_squares((side, side))
    n_squares = min(side, N_SQUARES) ** 2
    assert np.unique(numbers).tolist() == list(range(n_squares))
    assert numbers[0, 0] == 0
    assert numbers[-1, -1] == n_squares - 1


def test_a_blank_chip_has_the_middle_of_each_band() -> None:
    chips = torch.rand(5, 2, 9, 9)
    blank = blank_chips(chips)
    assert blank.shape == (1, 2, 9, 9)
    assert blank[0, 1, 0, 0] == chips[:, 1].flatten().median()
    assert blank[0].flatten(1).std(dim=1).max() < 1e-6


def test_redrawn_weights_keep_their_mean_and_spread_and_nothing_else() -> None:
    network = nn.Conv2d(8, 64, 3)
    old = network.weight.detach().clone()
    randomise_weights(network, torch.Generator().manual_seed(0))
    assert network.weight.std().item() == pytest.approx(old.std().item(), rel=0.1)
    assert abs(correlate_ranks(network.weight.detach().numpy().ravel(), old.numpy().ravel())) < 0.1
    again = nn.Conv2d(8, 64, 3)
    with torch.no_grad():
        again.weight.copy_(old)
        again.bias.copy_(network.bias)  # type: ignore[union-attr, arg-type]
    randomise_weights(again, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.weight, network.weight)


class Reads(nn.Module):
    """Predicts two targets, each by how bright its own band is; the first band tells neither."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = NetworkPlan(bands="relief", targets=("one", "two"), size_px=28)

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        return chips[:, 1:].mean(dim=(2, 3))


def judge(heat: NDArray[np.float32], chips: NDArray[np.float32]) -> tuple[str, list[bool]]:
    """The verdict on a heat of target one, and whether deletion and insertion count."""
    n = len(chips)
    mapped = MappedChips(
        "one", np.arange(n), torch.from_numpy(chips), heat, 0.05, np.arange(n).astype(str)
    )
    found = check_maps(*_with_batch(sample_chips(cast(Network, Reads()), mapped, seed=0)), seed=0)
    counts = [each["counts"] for each in found.tests if each["test"] in MOVES]
    return find_verdict(found.tests), counts


def _with_batch(made: tuple[Explanation, Batch]) -> tuple[Explanation, list[Batch]]:
    return made[0], [made[1]]


def test_wrong_heat_is_told_from_that_of_a_planted_network(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    chips = rng.uniform(0, 0.1, (16, 3, 28, 28)).astype(np.float32)
    for chip in chips:
        for band, (row, col) in zip(chip, rng.integers(0, 20, (3, 2)), strict=True):
            band[row : row + 8, col : col + 8] = 1.0

    def map_band(_: nn.Module, __: nn.Module, bands: torch.Tensor, k: int) -> NDArray[np.float32]:
        return bands[:, k + 1].numpy()

    monkeypatch.setattr(chip_samples, "map_heat", map_band)
    monkeypatch.setattr(chip_samples, "cam_layer", lambda network: network)
    # A network of means has no weights to randomise, and edges are the frame's, not asked here.
    monkeypatch.setattr(chip_samples, "randomise_weights", lambda network, _: network)
    true, other, height = chips[:, 1], chips[:, 2], chips[:, 0]
    edges = np.stack([detect_edges(each) for each in height]).astype(np.float32)
    shuffled = rng.permutation(true.reshape(16, -1), axis=1).reshape(true.shape)
    assert judge(true, chips)[1] == [True, True]
    for wrong in (shuffled, other, height, edges, -true):
        assert judge(wrong, chips)[1] == [False, False]
