from functools import partial

import numpy as np
import pytest
from convdip_training.ahead import Ahead
from convdip_training.batches import SimulatedBatches
from convdip_training.config import (
    FitConfig,
    LossConfig,
    NetworkConfig,
    SimulationConfig,
    TrainingConfig,
)
from convdip_training.experiment import Experiment

CONFIG = TrainingConfig(
    "tiny",
    simulation=SimulationConfig(orders=(1, 2), signs="random", other_noise=0.5),
    network=NetworkConfig("matched", output="sigmoid"),
    loss=LossConfig(cosine=1.0),
    fit=FitConfig(batch_size=16, dipoles=0.1),
)


@pytest.fixture
def make(toy_head, noise, tmp_path):
    return partial(SimulatedBatches, Experiment(CONFIG, tmp_path, head=toy_head, noise=noise))


def test_processes_draw_what_a_thread_draws(make):
    with Ahead(make) as by_thread, Ahead(make, n_processes=2) as by_processes:
        for (inputs, maps), (same_inputs, same_maps) in zip(
            by_thread(3, 15), by_processes(3, 15), strict=True
        ):
            np.testing.assert_array_equal(inputs["topography"], same_inputs["topography"])
            np.testing.assert_array_equal(inputs["dipoles"], same_inputs["dipoles"])
            np.testing.assert_array_equal(maps.toarray(), same_maps.toarray())


def test_results_come_in_order_and_all_of_them(make):
    draw = make()
    with Ahead(lambda: lambda i: i * i) as squares:
        assert list(squares(2, 7)) == [4, 9, 16, 25, 36]
        assert list(squares(7, 7)) == []
    inputs, _ = draw(5)
    assert inputs["dipoles"].shape == (32,)
    assert inputs["topography"].shape == (16, 7, 11, 1)


def test_an_error_in_a_process_reaches_the_one_that_waits(make):
    with Ahead(make, n_processes=1) as batches, pytest.raises(ValueError, match="non-negative"):
        list(batches(-2, 1))  # no seed is negative
