from __future__ import annotations

import numpy as np

from src.common.seeds import child_generator, child_seed


def test_a_seed_is_31_bits_and_repeats() -> None:
    seeds = [
        child_seed(seed, name, epoch) for seed in (0, 1, 2**31) for name in ("data", "dropout") for epoch in (0, 1)
    ]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == len(seeds)
    assert child_seed(1, "data", 3) == child_seed(1, "data", 3)


def test_values_do_not_change_between_releases() -> None:
    # A checkpoint stores the seed only: other numbers here would change the data order of resumed runs.
    assert child_seed(0, "data", 0) == 445_212_143
    assert child_seed(42, "dropout") == 1_664_093_702


def test_generators_of_two_names_are_independent() -> None:
    data, dropout = (child_generator(7, name).random(1000) for name in ("data", "dropout"))
    assert not np.any(data == dropout)
    assert abs(np.corrcoef(data, dropout)[0, 1]) < 0.1
    assert np.array_equal(data, child_generator(7, "data").random(1000))
