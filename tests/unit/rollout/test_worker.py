"""The garbage collector in a rollout worker's process; what the worker does with its engine is `test_vllm_engine`'s."""

import gc

from seed_grpo.rollout.worker import kept_from_collector


def test_what_is_made_to_stay_is_out_of_the_collectors_way() -> None:
    before = gc.get_freeze_count()
    try:
        with kept_from_collector():
            assert not gc.isenabled()
            kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
