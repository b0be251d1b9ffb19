"""Which chips a step sees, and chips read ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.chips.store import Bands, Samples
from basrelief.learn.training_recipes import count_batches
from basrelief.run import digest

Rows = NDArray[np.int64]


def derive_seed(*parts: str | int) -> int:
    """Make a seed from names and numbers, the same on every machine.

    Examples
    --------
    >>> derive_seed(1, "dropout", 2) == derive_seed(1, "dropout", 2)
    True
    """
    return int(digest(*parts), 16) % 2**62


def cycle_rows(rows: Rows, batch_size: int, n_steps: int, first_step: int, seed: int) -> list[Rows]:
    """Deal rows into batches, pass after pass, each pass in an order of its own.

    The last batch of a pass may be smaller, as Keras' iterators deal; but a chip that would be
    left alone joins the batch before, for batch normalisation cannot go by one. What a step sees
    depends on the seed and the number of the step alone, so that a run that was killed
    goes on exactly where it was.

    Parameters
    ----------
    rows : (n,)
    first_step
        Number of the first step since training began; ``n_steps`` batches are dealt from it.

    Returns
    -------
    Of each step its rows, (batch,).

    Examples
    --------
    >>> [len(batch) for batch in cycle_rows(np.arange(5), 2, 4, first_step=0, seed=1)]
    [2, 3, 2, 3]
    """
    n_batches = count_batches(len(rows), batch_size)
    batches, shuffled, passed = [], rows, -1
    for step in range(first_step, first_step + n_steps):
        number, at = divmod(step, n_batches)
        if number != passed:
            # Seeded by the pass: a run that goes on need not draw the passes before.
            rng = np.random.default_rng([seed, number])
            shuffled, passed = rng.permutation(rows), number
        end = (at + 1) * batch_size if at < n_batches - 1 else len(rows)
        batches.append(shuffled[at * batch_size : end])
    return batches


def deal_rows(rows: Rows, batch_size: int) -> list[Rows]:
    """Deal rows, (n,), into batches, (batch,), in their own order, each row once."""
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def read_ahead(samples: Samples, batches: list[Rows], bands: Bands) -> Iterator[Tensor]:
    """Read batches in order, the next one while the network works on this one.

    Parameters
    ----------
    batches
        Rows of chips, (batch,) each.

    Yields
    ------
    (chip, band, row, col)
        As stored: uint8 for shaded bands, float32 for relief. Two batches are in memory
        at most.
    """
    # A thread is enough: reading and decompressing release the interpreter.
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for batch in batches:
            coming = thread.submit(samples.read_bands, batch, bands)
            if waiting is not None:
                yield torch.from_numpy(waiting.result())
            waiting = coming
        if waiting is not None:
            yield torch.from_numpy(waiting.result())
