import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from basrelief.judge.metrics import skill
from basrelief.judge.resampling import Draws, inflate_percentiles
from basrelief.judge.scores import find_worth, resample_skill, score_predictions, sum_up

KEYS = ["recipe", "target", "scheme", "unit", "n"]
ERRORS = ["mse", "mse_mean", "rmse", "mae", "r2", "skill", "spearman", "kendall"]


def predict(seed: int, n: int = 60, repeats: int = 3, noise: float = 0.5) -> pd.DataFrame:
    """Predictions of areas, six to a block, over repeats."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    frames = [
        pd.DataFrame(
            {
                "recipe": "relief-statistics",
                "target": "crime",
                "scheme": "block",
                "repeat": repeat,
                "unit": "area",
                "id": [f"E{k}" for k in range(n)],
                "y_true": y,
                "y_pred": y + rng.normal(0, noise, n),
                "y_mean": rng.normal(0, 0.05, n),
            }
        )
        for repeat in range(repeats)
    ]
    return pd.concat(frames, ignore_index=True)


def blocks(n: int, per_block: int) -> "pd.Series[str]":
    return pd.Series([f"b{k // per_block}" for k in range(n)], index=[f"E{k}" for k in range(n)])


def score(frame: pd.DataFrame, per_block: int = 6) -> dict[str, Any]:
    groups = {"area": blocks(frame["id"].nunique(), per_block)}
    (record,) = score_predictions(frame, groups, np.random.default_rng(0))
    return record


def test_a_record_has_the_fields_of_the_contract_and_is_json() -> None:
    record = score(predict(0))
    assert list(record) == [*KEYS, *ERRORS, "skill_low", "skill_high"]
    assert record["n"] == 60
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_skill_is_taken_per_repeat_and_averaged() -> None:
    frame = predict(1)
    per_repeat = [
        skill(part["y_true"].to_numpy(), part["y_pred"].to_numpy(), part["y_mean"].to_numpy())
        for _, part in frame.groupby("repeat")
    ]
    record = score(frame)
    assert record["skill"] == pytest.approx(np.mean(per_repeat))
    error = (frame["y_true"] - frame["y_mean"]) ** 2
    assert record["mse_mean"] == pytest.approx(error.mean())


def test_ranks_are_of_what_lies_above_the_mean_of_the_fold() -> None:
    # A fold held out that is high leaves a training mean that is low, and the other way round:
    # plain ranks of the truth and the mean run against each other, though the mean knows nothing.
    rng = np.random.default_rng(0)
    high = np.repeat([1.0, -1.0], 30)
    frame = predict(9, n=60, repeats=1)
    frame["y_true"], frame["y_mean"] = high + 0.3 * rng.normal(size=60), -0.1 * high
    frame["y_pred"] = frame["y_mean"] + 0.01 * (frame["y_true"] - frame["y_mean"])
    plain = stats.spearmanr(frame["y_true"], frame["y_pred"]).statistic
    above = [frame[column] - frame["y_mean"] for column in ("y_true", "y_pred")]
    record = score(frame)
    assert record["spearman"] == pytest.approx(stats.spearmanr(*above).statistic)
    assert record["kendall"] == pytest.approx(stats.kendalltau(*above).statistic)
    assert record["spearman"] > 0.99
    assert plain < 0
    assert score(frame.assign(y_pred=frame["y_mean"]))["spearman"] is None


def test_r2_is_against_the_plain_mean_of_all_items_tested() -> None:
    frame = predict(10, repeats=1).assign(y_mean=5.0)
    record = score(frame)
    assert record["r2"] == pytest.approx(r2_score(frame["y_true"], frame["y_pred"]))
    assert record["r2"] < record["skill"]


def test_the_interval_equals_resampling_rows_one_draw_at_a_time() -> None:
    frame = predict(2, n=60, repeats=2)
    group_of = frame["id"].map(blocks(60, 5))
    low, high = resample_skill(frame, group_of, Draws(np.random.default_rng(0)))
    names, rng, slow = group_of.unique(), np.random.default_rng(1), []
    for _ in range(1000):
        drawn = rng.choice(names, len(names))
        rows = np.concatenate([np.flatnonzero(group_of == name) for name in drawn])
        taken = frame.iloc[rows]
        one = [
            1 - ((p.y_true - p.y_pred) ** 2).sum() / ((p.y_true - p.y_mean) ** 2).sum()
            for _, p in taken.groupby("repeat")
        ]
        slow.append(np.mean(one))
    assert low == pytest.approx(np.percentile(slow, inflate_percentiles(12)[0]), abs=0.05)
    assert high == pytest.approx(np.percentile(slow, inflate_percentiles(12)[1]), abs=0.05)


def test_the_interval_holds_the_skill_and_is_the_same_for_a_seed() -> None:
    frame = predict(3)
    record = score(frame)
    assert record["skill_low"] < record["skill"] < record["skill_high"]
    assert record == score(frame)


def test_errors_that_whole_blocks_share_widen_the_interval() -> None:
    frame = predict(4, n=200, repeats=1, noise=0.0)
    shared = np.random.default_rng(0).normal(size=20).repeat(10)
    frame["y_pred"] = frame["y_true"] + shared * np.linspace(0, 2, 200).round()
    by_block, by_area = score(frame, per_block=10), score(frame, per_block=1)
    width = [record["skill_high"] - record["skill_low"] for record in (by_block, by_area)]
    assert width[0] > 1.5 * width[1]


def test_few_groups_have_no_interval() -> None:
    record = score(predict(5, n=24))
    assert record["skill_low"] is None
    assert record["skill_high"] is None
    assert record["skill"] is not None


def test_items_without_a_group_have_no_interval() -> None:
    groups = {"area": pd.Series(dtype=str)}
    (record,) = score_predictions(predict(6), groups, np.random.default_rng(0))
    assert record["skill_low"] is None


def test_what_cannot_be_had_is_null() -> None:
    frame = predict(7).assign(y_true=0.3, y_mean=0.3)
    record = score(frame)
    assert record["skill"] is None
    assert record["spearman"] is None
    assert find_worth(record) == "unknown"
    assert sum_up(record | {"worth": find_worth(record)}) == "skill unknown, unknown"


def test_a_line_of_progress_says_worse_only_where_the_model_was_fitted_anew() -> None:
    record = {"skill": -2.45, "worth": "worse", "interval": "resampled"}
    assert sum_up(record) == "skill -2.45, not told"
    assert sum_up(record | {"interval": "refitted"}) == "skill -2.45, worse"
    assert sum_up(record | {"worth": "better"}) == "skill -2.45, better"


def test_recipes_targets_schemes_and_units_are_scored_apart() -> None:
    frame = predict(8)
    both = pd.concat([frame, frame.assign(target="health", y_pred=0.0)])
    groups = {"area": blocks(60, 6)}
    records = score_predictions(both, groups, np.random.default_rng(0))
    assert [record["target"] for record in records] == ["crime", "health"]
    assert records[0]["skill"] > 0.5 > records[1]["skill"]


@pytest.mark.parametrize(
    ("skill_", "low", "high", "worth"),
    [
        (0.3, 0.1, 0.5, "better"),
        (-0.2, -0.4, -0.1, "worse"),
        (-0.2, -0.4, 0.1, "unsure"),
        (0.2, -0.1, 0.4, "unsure"),
        (-1e-17, -0.1, 0.1, "no_better"),
        (0.2, None, None, "no_interval"),
        (None, None, None, "unknown"),
    ],
)
def test_what_a_score_is_worth_is_told_by_its_interval(
    skill_: float | None, low: float | None, high: float | None, worth: str
) -> None:
    record = {"skill": skill_, "skill_low": low, "skill_high": high}
    assert find_worth(record) == worth
    # Chance takes a gain away, and nothing else.
    assert find_worth(record, survives=False) == ("by_chance" if worth == "better" else worth)
