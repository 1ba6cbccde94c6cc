"""The placement plan: worked by hand from the configuration."""

from pathlib import Path

import pytest

from seed_grpo.config_file import load_config
from seed_grpo.errors import PlacementError
from seed_grpo.runtime.placement import check_plan, make_plan

JOBS = Path(__file__).parents[1] / "jobs"


def test_the_quickstart_fits_two_cores_in_all_its_documented_variants() -> None:
    # 0.5 rollout + 0.25 verifier + 0.5 trainer = 1.25; each further worker adds 0.5
    for overrides, cpus in (([], 1.25), (["rollout.num_workers=2"], 1.75), (["trainer.num_workers=2"], 1.75)):
        plan = make_plan(load_config(JOBS / "quickstart.yaml", overrides))
        assert plan.cpus == cpus
        check_plan(plan, cpus=2, gpus=0, where="this machine")


def test_too_many_workers_are_refused_with_all_numbers() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["rollout.num_workers=8"]))
    expected = (
        r"CPU cores: rollout 8 x 0\.5 \+ verifier 1 x 0\.25 \+ trainer 1 x 0\.5 = 4\.75 are needed, this machine has 2"
    )
    with pytest.raises(PlacementError, match=expected):
        check_plan(plan, cpus=2, gpus=0, where="this machine")


def test_gpus_are_counted_by_tensor_parallel_size() -> None:
    overrides = ["cluster.device=cuda", "rollout.num_workers=2", "rollout.tensor_parallel_size=4"]
    plan = make_plan(load_config(JOBS / "quickstart.yaml", overrides))
    # 2 engines x 4 + 1 trainer rank
    assert plan.gpus == 9
    with pytest.raises(PlacementError, match=r"GPUs: rollout 2 x 4 \+ trainer 1 x 1 = 9 are needed, .* has 8"):
        check_plan(plan, cpus=64, gpus=8, where="the Ray cluster")


def test_ipc_puts_trainer_and_rollout_on_one_gpu() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["cluster.device=cuda", "weight_sync.transport=ipc"]))
    assert plan.colocated
    assert plan.gpus == 1


def test_workers_on_cpu_get_their_own_number_of_threads_and_wait_asleep() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["trainer.threads=2"]))
    assert plan.rollout.environment["OMP_NUM_THREADS"] == "1"
    assert plan.trainer.environment["OMP_NUM_THREADS"] == "2"
    assert plan.trainer.environment["OMP_WAIT_POLICY"] == "PASSIVE"
