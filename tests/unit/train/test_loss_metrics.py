"""The step's totals of real ranks against one micro-batch that holds everything."""

from __future__ import annotations

import pytest
import torch
from torch import distributed, multiprocessing

from seed_grpo.algo.loss import COUNTS, MAXIMA, MEANS, SUMS, policy_loss
from seed_grpo.train.loss_metrics import METRICS, StepTotals
from support.loss_tokens import LENGTHS, config_of, cut, random_tokens


def test_every_metric_has_a_meaning():
    assert {mean.over for mean in MEANS.values()} == set(COUNTS)
    assert METRICS.keys() == {"loss", "tokens", "row_tokens", "row_length", "padding_share", *MEANS, *MAXIMA}


CUTS = ((0, 2), (2, 5))
SEQUENCES = {"ratio": "sequence", "importance_level": "sequence"}


def reduce_on(rank, world_size, folder, queue):
    """Two updates whose two micro-batches are each on a rank of its own; a third rank has none."""
    distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world_size)
    totals = StepTotals(torch.device("cpu"))
    for seed in (0, 1):
        update = StepTotals(torch.device("cpu"))
        if rank < len(CUTS):
            update.add(policy_loss(cut(random_tokens(seed, reference=False), *CUTS[rank]), config_of(SEQUENCES)))
            update.add_places([1, 2 + rank], places=5)
        totals.merge(update)
    queue.put(totals.reduced(updates=2))
    distributed.destroy_process_group()


def test_step_totals_are_of_all_ranks(tmp_path):
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    ranks = multiprocessing.start_processes(reduce_on, (3, tmp_path, queue), 3, join=False, start_method="spawn")
    while not ranks.join():  # raises what a rank raised; the results are small enough for the pipe meanwhile
        pass
    results = [queue.get() for _ in range(3)]
    whole = [policy_loss(random_tokens(seed, reference=False), config_of(SEQUENCES)) for seed in (0, 1)]
    # the mean of two updates' losses, but means of metrics over both updates' tokens or completions
    expected = {"loss": (whole[0].loss + whole[1].loss).item() / 2, "tokens": 2 * sum(LENGTHS)}
    expected["padding_share"] = 1 - 14 / 20  # (1 + 2) + (1 + 3) tokens of 5 + 5 places, twice
    # by token, (1 + 2^2 + 1 + 3^2) / 7; by row it would be 7 / 4
    expected |= {"row_tokens": 14, "row_length": 15 / 7}
    sums = {name: (whole[0].sums[name] + whole[1].sums[name]).item() for name in SUMS}
    expected |= {name: sums[name] / sums[mean.over] for name, mean in MEANS.items() if name != "kl"}
    expected |= {name: max(parts.maxima[name].item() for parts in whole) for name in MAXIMA}
    assert sums["ratios"] == 2 * len(LENGTHS)
    for metrics in results:
        assert metrics == pytest.approx(expected, abs=1e-12)  # without a reference there is no kl
