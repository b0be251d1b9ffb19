"""Time the prediction of a trained network on every chip; prints images a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from basrelief.chips.store import load_samples
from basrelief.config import load_settings
from basrelief.learn.arithmetic import choose_arithmetic
from basrelief.learn.predict import load_network, predict_network
from basrelief.run import Run


def main() -> None:
    settings = load_settings(Path(sys.argv[1]))
    samples = load_samples(Run(settings.locate(settings.out)))
    network = load_network(Path(sys.argv[2]), settings)
    arithmetic = choose_arithmetic(settings)
    n = int(sys.argv[3])
    rows = np.arange(len(samples.chips))
    predict_network(network, samples, rows[:64], arithmetic)
    start = time.perf_counter()
    predict_network(network, samples, rows[:n], arithmetic)
    print(n / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
