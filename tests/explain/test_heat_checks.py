from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from basrelief.chips.store import Samples
from basrelief.config import DataSettings, ModelSettings, Settings
from basrelief.explain import heat_checks
from basrelief.explain.heat_checks import check_heat, look_at_chips
from basrelief.explain.records import correlate_ranks, redraw_weights
from basrelief.learn.encoders import Network, NetworkPlan, build_network
from basrelief.learn.recipes import HeadRecipe, NetworkRecipe, OptimiserRecipe, TrainRecipe

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
    redraw_weights(network, torch.Generator().manual_seed(1))
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
    looked = look_at_chips(network, samples, tested)
    assert looked is not None
    records, curves = check_heat(network, looked, seed=3)
    assert {record["target"] for record in [*records, *curves]} == {"income"}
    return {record["test"]: record for record in records}


def test_heat_of_a_network_is_tested_five_ways() -> None:
    found = check(make_network())
    names = ["randomised weights", "deletion", "insertion", "flat chips", "edges"]
    assert list(found) == names
    for record in found.values():
        assert np.isfinite(record["value"])
        assert record["words"].endswith(".")
    assert found["randomised weights"]["low"] <= found["randomised weights"]["value"]


def test_the_network_that_is_tested_stays_as_it_was() -> None:
    network = make_network()
    before = [weights.clone() for weights in network.parameters()]
    check(network)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_heat_that_does_not_come_from_the_weights_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heat_checks, "map_heat", lambda *args: args[2][:, 0].numpy())
    record = check(make_network())["randomised weights"]
    assert record["value"] == pytest.approx(1.0)
    assert record["passes"] is False


def test_heat_along_the_frame_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def frame(_: nn.Module, __: nn.Module, chips: torch.Tensor, ___: int) -> NDArray[np.float32]:
        heat = 0.1 * chips[:, 0].numpy() / 20
        heat[:, 0] = heat[:, -1] = 5.0
        return np.asarray(heat, dtype=np.float32)

    monkeypatch.setattr(heat_checks, "map_heat", frame)
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

    monkeypatch.setattr(heat_checks, "map_heat", lambda *args: sign * args[2][:, 0].numpy())
    network = make_network()
    monkeypatch.setattr(network, "forward", add_up)
    found = check(network)
    for test in ("deletion", "insertion"):
        assert (found[test]["value"] > 0) is passes
        assert found[test]["passes"] is passes


def test_a_network_that_says_the_same_everywhere_has_nothing_to_fail() -> None:
    network = make_network()
    with torch.no_grad():
        for weights in network.head[-1].parameters():
            weights.zero_()
    found = check(network)
    assert found["randomised weights"]["value"] == 0.0
    assert found["edges"]["value"] is None
    for test in ("edges", "deletion", "insertion"):
        assert found[test]["passes"] is None


def test_where_all_chips_are_predicted_alike_nothing_can_move() -> None:
    found = check(make_network(), spread=0.0)
    for test in ("deletion", "insertion"):
        assert found[test]["passes"] is None
        assert found[test]["words"] == "All chips are predicted alike."


def test_redrawn_weights_keep_their_mean_and_spread_and_nothing_else() -> None:
    network = nn.Conv2d(8, 64, 3)
    old = network.weight.detach().clone()
    redraw_weights(network, torch.Generator().manual_seed(0))
    assert network.weight.std().item() == pytest.approx(old.std().item(), rel=0.1)
    assert abs(correlate_ranks(network.weight.detach().numpy(), old.numpy())) < 0.1
    again = nn.Conv2d(8, 64, 3)
    with torch.no_grad():
        again.weight.copy_(old)
        again.bias.copy_(network.bias)  # type: ignore[union-attr, arg-type]
    redraw_weights(again, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.weight, network.weight)
