"""The placement plan: worked by hand from the configuration."""

from pathlib import Path

import pytest

from seed_grpo.config.loading import load_config
from seed_grpo.errors import PlacementError
from seed_grpo.runtime.cluster.placement import check_plan, make_plan

JOBS = Path(__file__).parents[4] / "jobs"


def test_the_quickstart_fits_two_cores_in_all_its_documented_variants() -> None:
    # 0.5 rollout + 0.25 verifier + 0.5 trainer = 1.25; each further worker adds 0.5
    for overrides, cpus in (([], 1.25), (["rollout.num_workers=2"], 1.75), (["trainer.num_workers=2"], 1.75)):
        plan = make_plan(load_config(JOBS / "quickstart.yaml", overrides))
        assert plan.cpus == cpus
        check_plan(plan, [{"CPU": 2, "GPU": 0}], where="this machine")


def test_too_many_workers_are_refused_with_all_numbers() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["rollout.num_workers=8"]))
    demand = r"rollout 8 x 0\.5 \+ verifier 1 x 0\.25 \+ trainer 1 x 0\.5 = 4\.75"
    expected = f"CPU cores: {demand} are needed, but this machine has 2"
    with pytest.raises(PlacementError, match=expected):
        check_plan(plan, [{"CPU": 2, "GPU": 0}], where="this machine")


def test_gpus_are_counted_by_tensor_parallel_size() -> None:
    overrides = ["cluster.device=cuda", "rollout.num_workers=2", "rollout.tensor_parallel_size=4"]
    plan = make_plan(load_config(JOBS / "quickstart.yaml", overrides))
    # 2 engines x 4 + 1 trainer rank
    assert plan.gpus == 9
    with pytest.raises(PlacementError, match=r"GPUs: rollout 2 x 4 \+ trainer 1 x 1 = 9 are needed, .* has 8"):
        check_plan(plan, [{"CPU": 64, "GPU": 8}], where="the Ray cluster")


def test_ipc_puts_trainer_and_rollout_on_one_gpu() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["cluster.device=cuda", "weight_sync.transport=ipc"]))
    assert plan.colocated
    assert plan.gpus == 1


GROUPED = ["cluster.node_groups=true", "rollout.num_workers=2"]  # 2 x 0.5 rollout + 0.25 verifier + 0.5 trainer = 1.75


def test_each_kind_of_worker_asks_for_its_node_group() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", GROUPED))
    assert plan.rollout.demand == {"CPU": 0.5, "rollout": 0.001}
    assert plan.verifier.demand == {"CPU": 0.25, "verifier": 0.001}
    assert plan.trainer.demand == {"CPU": 0.5, "trainer": 0.001}


def test_the_colocated_rollout_worker_goes_where_the_trainer_is() -> None:
    shared = ["cluster.node_groups=true", "cluster.device=cuda", "weight_sync.transport=ipc"]
    plan = make_plan(load_config(JOBS / "quickstart.yaml", shared))
    assert plan.rollout.demand == {"CPU": 0.5, "GPU": 0.5, "trainer": 0.001}


def test_an_engine_must_fit_one_machine() -> None:
    overrides = ["cluster.device=cuda", "rollout.tensor_parallel_size=4", "rollout.cpus_per_worker=1"]
    plan = make_plan(load_config(JOBS / "quickstart.yaml", overrides))
    check_plan(plan, [{"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 1}], "the Ray cluster")
    with pytest.raises(PlacementError, match=r"1 rollout workers of 1 CPU and 4 GPU each .* 8 machines .* hold 0"):
        check_plan(plan, [{"CPU": 8, "GPU": 1}] * 8, "the Ray cluster")


def test_a_node_group_that_is_missing_or_too_small_is_named() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", GROUPED))
    verifier, trainer = {"CPU": 1, "verifier": 1}, {"CPU": 1, "trainer": 1}
    check_plan(plan, [{"CPU": 1, "rollout": 1}, verifier, trainer], "the Ray cluster")
    with pytest.raises(PlacementError, match=r"no machine of the Ray cluster has the Ray resource rollout"):
        check_plan(plan, [{"CPU": 8}, verifier, trainer], "the Ray cluster")
    # 8 cores in all are enough, the half core of the rollout group is not
    small = r"2 rollout workers of 0\.5 CPU and 0 GPU each are needed, but the 1 machines with .* rollout .* hold 1"
    with pytest.raises(PlacementError, match=small):
        check_plan(plan, [{"CPU": 6.5}, {"CPU": 0.5, "rollout": 1}, verifier, trainer], "the Ray cluster")


def test_workers_on_cpu_get_their_own_number_of_threads_and_wait_asleep() -> None:
    plan = make_plan(load_config(JOBS / "quickstart.yaml", ["trainer.threads=2"]))
    assert plan.rollout.environment["OMP_NUM_THREADS"] == "1"
    assert plan.trainer.environment["OMP_NUM_THREADS"] == "2"
    assert plan.trainer.environment["OMP_WAIT_POLICY"] == "PASSIVE"
