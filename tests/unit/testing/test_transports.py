"""`check_transport` says of a broken transport which end lacks what."""

from dataclasses import replace

import pytest

from seed_grpo.rollout.engine import ReceivingEnd
from seed_grpo.testing import check_transport
from seed_grpo.weight_sync.transports import TRANSPORTS, Transport

GLOO, NCCL = TRANSPORTS["gloo"], TRANSPORTS["nccl"]


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ("pigeon", "there is no transport 'pigeon'; there are gloo, nccl, ipc"),
        (Transport(GLOO.init_info, NCCL.receiving), r"= \('gloo', 0, True\), and \('nccl', 0, True\) is needed"),
        (
            Transport(lambda plan: GLOO.init_info(replace(plan, rank=0)), GLOO.receiving),
            r"the init info of rank 1 is .* = \('gloo', 0, True\), and \('gloo', 1, False\) is needed",
        ),
        (
            Transport(lambda plan: renamed(GLOO.init_info(plan)), ReceivingEnd("pigeon")),
            "vLLM knows no sending end 'pigeon'; register one with WeightTransferTrainerFactory",
        ),
    ],
    ids=["name", "ends apart", "every rank sends", "unknown"],
)
def test_a_broken_transport_is_told_by_its_end(transport: str | Transport, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_transport(transport)


def renamed(info: object) -> object:
    """An init info of a backend that nobody has registered."""
    return type("Pigeon", (), {"backend": "pigeon", "rank": info.rank, "is_sender": info.is_sender})()  # type: ignore[attr-defined]
