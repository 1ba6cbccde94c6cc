"""Setting of Intel's MKL under which a row of a product has the same bits in every batch, with any threads.

MKL reads it at its first product, so a process has it in its environment before. On Intel's processors nothing less
will do: a matrix of 1024 by 1024 gives other bits to a row among 128, with two threads. On others MKL knows no strict
mode; there `unpacked_matrices` fills rows up, which was enough on AMD's.
"""

from __future__ import annotations

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def strict_products() -> dict[str, str]:
    """The variables of a process's environment; none on other processors than Intel's."""
    is_intel = CPU_INFO.exists() and "GenuineIntel" in CPU_INFO.read_text()
    return {"MKL_CBWR": "AUTO,STRICT"} if is_intel else {}
