"""How many threads small pieces of linear algebra may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

SMALL = 1500
"""Up to this many rows, the threads of one product wait for each other longer than they work."""


@contextmanager
def sparing_threads(n_rows: int) -> Iterator[None]:
    """Keep NumPy's products of small matrices on one thread.

    On a machine that others use too, waiting threads made hundreds of small fits take ten
    times as long. Networks are not touched.

    Parameters
    ----------
    n_rows
        Of square matrices; of others, the side of the cube of their multiplications.
    """
    # BLAS alone: networks keep torch's own threads.
    with threadpool_limits(limits=1 if n_rows <= SMALL else None, user_api="blas"):
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch on one thread, for products that fit into a processor's cache."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
