"""Which hit rates of "who would be found" survive chance over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from basrelief.judge.chance import Refits
from basrelief.judge.claims import Claim, Knowledge, list_claims, settle_claims
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record

FoundWorth = Literal["better", "unsure", "untested"]
"""What a hit rate is worth beside another, see `settle_found`."""

NAMES = ("lift", "lift_low", "lift_high")
"""A hit rate less another, and the ends of its interval."""

KEY = ("recipe", "versus", "scheme", "target")


def settle_found(
    records: Sequence[Record],
    claims: Iterable[Record],
    known: Knowledge,
    lifts: Mapping[tuple[str, float], Refits],
) -> list[Record]:
    """Settle which hit rates are no chance, beside a blind pick's and beside the yardstick's.

    A range with the models held fixed is no judge: one among many lies above chance by luck. Each
    hit rate is held against other worlds as skills are (`settle_claims`), all schemes, recipes,
    targets and shares together.

    Parameters
    ----------
    records
        Of ``targeting.json``, see `measure_targeting`.
    claims
        What the report claims of skills, settled.
    lifts
        By scheme and share, what each recipe finds in other worlds beyond a blind pick.

    Returns
    -------
    The records with ``p, worth`` beside a blind pick and ``versus_p, versus_worth`` beside the
    yardstick, None where that is the mean. A worth is ``better`` where the gain survives chance
    and the claim on the recipe's skill over the same holds too; ``unsure`` where it was held
    against chance and that is not so; ``untested`` where there was nothing to hold it against.
    """
    listed = [
        (row, claim)
        for row, record in enumerate(records)
        for claim in _list_claims(record, known, lifts[record["scheme"], record["share"]])
    ]
    # Nobody is found by what tells nothing: without this gate hit rates would be as many more
    # chances to claim that LIDAR is worth having.
    skilled = {_key_of(claim) for claim in claims if claim["holds"] and claim["unit"] == "area"}
    settled = [record | _judge(None, set(), record["versus"]) for record in records]
    for (row, _), claim in zip(listed, settle_claims([each for _, each in listed]), strict=True):
        settled[row] |= _judge(claim, skilled, records[row]["versus"])
    return settled


def _list_claims(record: Record, known: Knowledge, refits: Refits) -> Iterator[Claim]:
    """List the claims of one hit rate: beside a blind pick, and beside its yardstick."""
    rate, low, high = (record[name] for name in ("hit_rate", "low", "high"))
    if low is None:
        return
    for versus, other in ((MEAN, "chance"), (record["versus"], "versus_hit_rate")):
        beside = record[other]
        # Two hit rates have no interval of their difference: without worlds they claim nothing.
        can_be_told = versus == MEAN or refits.by_chance(record["recipe"], versus, record["target"])
        if beside is not None and can_be_told:
            ends = dict(zip(NAMES, (rate - beside, low - beside, high - beside), strict=True))
            of_areas = record | ends | {"unit": "area", "versus": versus}
            yield from list_claims([of_areas], NAMES, known, refits)


def _judge(claim: Record | None, skilled: set[tuple[str, ...]], yardstick: str) -> Record:
    """Say what a claim comes to; without one, that neither was tested."""
    if claim is None:
        versus_worth = None if yardstick == MEAN else "untested"
        return {"p": None, "worth": "untested", "versus_p": None, "versus_worth": versus_worth}
    worth: FoundWorth = "untested"
    if claim["is_tested"]:
        worth = "better" if claim["holds"] and _key_of(claim) in skilled else "unsure"
    prefix = "" if claim["versus"] == MEAN else "versus_"
    return {f"{prefix}p": claim["p"], f"{prefix}worth": worth}


def _key_of(claim: Record) -> tuple[str, ...]:
    return tuple(claim[name] for name in KEY)
