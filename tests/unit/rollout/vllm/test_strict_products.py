"""The strict mode of MKL: where it is asked for, and what it does there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seed_grpo.rollout.vllm import strict_products as module
from seed_grpo.rollout.vllm.strict_products import strict_products

PRODUCTS = """
import torch
from seed_grpo.rollout.vllm import engine  # whatever it imports, it leaves MKL alone
import os
os.environ.update({environment})
from seed_grpo.rollout.vllm.unpacked_matrices import plain_linear
for width in (384, 1024):
    rows, weight = torch.randn(160, width), torch.randn(width, width)
    together = plain_linear(rows, weight, None)
    parts = ((count, plain_linear(rows[:count].clone(), weight, None)) for count in range(1, 160))
    print(width, [count for count, part in parts if not torch.equal(part, together[:count])])
"""


def test_it_is_asked_for_on_intels_processors_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "cpuinfo")
    assert strict_products() == {}
    for vendor, wanted in (("GenuineIntel", {"MKL_CBWR": "AUTO,STRICT"}), ("AuthenticAMD", {})):
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
        assert strict_products() == wanted


@pytest.mark.skipif(not strict_products(), reason="no processor of Intel's")
@pytest.mark.parametrize("threads", [1, 2])
def test_large_products_have_the_same_bits_in_every_batch(threads: int) -> None:
    """Without it 1 to 12 of 1024 differ with one thread, and all up to 128 with two."""
    plain = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"} | {
        "OMP_NUM_THREADS": str(threads)
    }
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS.format(environment=strict_products())],
        env=plain | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-2:] == ["384 []", "1024 []"], done.stdout + done.stderr
