"""Throughput of a step: tokens a second and device, and model FLOPs utilisation.

Consumes a step's metrics and its wall-clock; produces the numbers of throughput.jsonl. A device is a GPU, or without
one a CPU core. Assumed: all devices of the trainer are alike. Utilisation (MFU; PaLM, arXiv 2204.02311, appendix B) is

    model FLOP of the updates / (seconds of the stage `train` x devices of the trainer x peak FLOP/s of a device)

and is left out where no peak is known, or where the model's FLOP are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from seed_grpo.config import Config
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.shape import Shape, read_shape

METRICS = {
    "tokens_per_second_per_device": "completion tokens sampled, over the whole step and all engines and ranks",
    "trainer_tokens_per_second_per_device": "tokens of the rows that the updates ran, prompts too, over `train`",
    "mfu": "model FLOPs utilisation of the trainer in `train`",
}
"""unit and meaning by name"""

# FLOP/s of the tensor cores in bfloat16 with float32 sums and without sparsity, by NVIDIA's data sheets (those give
# the double for sparse matrices where they mention them); by a part of the name that CUDA gives, special ones first
PEAK_FLOPS = {
    "GB200": 2.5e15,
    "B200": 2.25e15,
    "H100 NVL": 8.35e14,
    "H200 NVL": 8.35e14,
    "H100 PCIe": 7.56e14,
    "GH200": 9.89e14,
    "H200": 9.89e14,
    "H100": 9.89e14,
    "H800": 9.89e14,
    "H20": 1.48e14,
    "A100": 3.12e14,
    "A800": 3.12e14,
    "L40S": 3.62e14,
    "L40": 1.81e14,
    "L4": 1.21e14,
    "A40": 1.497e14,
    "A30": 1.65e14,
    "A10": 1.25e14,
}


class Throughput:
    """The throughput of a run's steps."""

    def __init__(self, config: Config, device_name: str) -> None:
        """Looks up the peak of a device, and the model's shape where there is one.

        Args:
            device_name: of the trainer's GPU, as CUDA gives it; empty without one.
        """
        self._model = config.model
        on_gpu, shared = config.cluster.device == "cuda", config.transport == "ipc"
        trainer, rollout = config.trainer, config.rollout
        self._trainer = trainer.num_workers * (1.0 if on_gpu else trainer.cpus_per_worker)
        self._engine = float(rollout.tensor_parallel_size) if on_gpu else rollout.cpus_per_worker
        if on_gpu and shared:
            self._engine = 0.0  # it has the trainer's
        self.note = ""
        """reason why there is no `mfu` although there is a GPU"""
        self._peak = config.cluster.peak_flops
        if self._peak is None and on_gpu:
            self._peak = peak_flops(device_name, config.model.dtype)
            if self._peak is None:
                self.note = (
                    f"no peak FLOP/s of {device_name!r} in {config.model.dtype} is known, and so no mfu; set "
                    "cluster.peak_flops"
                )
        self._shape = self._shape_of(config) if self._peak is not None else None

    def of_step(self, metrics: Mapping[str, float], seconds: Mapping[str, float], engines: float) -> dict[str, float]:
        """The metrics of `METRICS`; those of the trainer are left out where it ran no row.

        Args:
            metrics: of the groups and the trainer.
            seconds: by stage, with `total`.
            engines: rollout workers that are healthy.
        """
        devices = self._trainer + engines * self._engine
        found = {"tokens_per_second_per_device": metrics["completion_tokens"] / (seconds["total"] * devices)}
        if "row_tokens" in metrics:
            rate = metrics["row_tokens"] / (seconds["train"] * self._trainer)
            found["trainer_tokens_per_second_per_device"] = rate
            if self._shape is not None and self._peak is not None:
                found["mfu"] = rate * self._shape.flop(self._model, metrics["row_length"]) / self._peak
        return found

    def _shape_of(self, config: Config) -> Shape | None:
        try:
            return read_shape(config.model)
        except ModelError as error:
            self.note = f"the model's FLOP are not known, and so no mfu: {error}"
            return None


def peak_flops(device_name: str, dtype: str) -> float | None:
    """Peak FLOP/s of a GPU; None where it is not known, as of a part of one (MIG)."""
    words = f"{device_name.replace('-', ' ')} "
    if dtype != "bfloat16" or " MIG " in words:
        return None
    return next((peak for name, peak in PEAK_FLOPS.items() if f"{name} " in words), None)
