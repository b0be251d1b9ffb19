from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.learn.batches import cycle_rows, deal_rows, read_ahead


def test_a_pass_sees_every_row_once_and_the_next_in_another_order() -> None:
    rows = np.arange(10, 20)
    batches = cycle_rows(rows, 4, 6, first_step=0, seed=5)
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(rows)
    assert list(first) != list(second)


def test_what_a_step_sees_does_not_depend_on_where_one_begins() -> None:
    whole = cycle_rows(np.arange(7), 3, 9, first_step=0, seed=5)
    later = cycle_rows(np.arange(7), 3, 4, first_step=5, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(whole[5:], later, strict=True))


def test_a_row_that_would_be_left_alone_joins_the_batch_before() -> None:
    batches = cycle_rows(np.arange(9), 4, 4, first_step=0, seed=5)
    assert [len(batch) for batch in batches] == [4, 5, 4, 5]
    assert sorted(np.concatenate(batches[:2])) == list(range(9))


def test_rows_are_dealt_in_order_with_a_smaller_last_batch() -> None:
    assert [list(batch) for batch in deal_rows(np.arange(5), 2)] == [[0, 1], [2, 3], [4]]


@dataclass
class Shelf:
    n_read: int = 0

    def read_bands(self, rows: NDArray[np.int64], bands: str) -> NDArray[np.uint8]:
        self.n_read += 1
        if rows[0] < 0:
            raise OSError("torn page")
        return np.full((len(rows), 3, 2, 2), rows[0], np.uint8)


def read(shelf: Shelf, batches: list[Any]) -> Any:
    return read_ahead(cast(Samples, shelf), batches, "shaded")


def test_chips_come_in_order_and_no_more_than_one_batch_is_read_ahead() -> None:
    shelf = Shelf()
    batches = deal_rows(np.arange(10), 2)
    seen = []
    for batch in read(shelf, batches):
        seen.append(int(batch[0, 0, 0, 0]))
        assert shelf.n_read <= len(seen) + 1
    assert seen == [0, 2, 4, 6, 8]


def test_what_goes_wrong_while_reading_is_not_swallowed() -> None:
    with pytest.raises(OSError, match="torn page"):
        list(read(Shelf(), [np.array([-1])]))
