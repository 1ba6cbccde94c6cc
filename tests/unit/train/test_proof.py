"""The proof before training: what it refuses, what it tries, and that it leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.train import attention
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.model import load_model, recompute
from seed_grpo.train.packing import pack
from seed_grpo.train.proof import TOLERANCE, probe, prove
from seed_grpo.train.sequence_parallel import dividing
from support.every_family import small_config, small_model

CPU = torch.device("cpu")
LONGEST = 60


@pytest.fixture
def model(tmp_path: Path) -> PreTrainedModel:
    return loaded("llama", tmp_path)


def loaded(family: str, folder: Path, dtype: str = "float32", **settings) -> PreTrainedModel:
    config = small_config(family)
    for name, value in settings.items():
        setattr(config, name, value)
    small_model(config, folder)
    return load_model(ModelConfig(path=str(folder), dtype=dtype))


# ---------------------------------------------------------------- faults, put into a model that has none


def noise(model: PreTrainedModel) -> None:
    """Dropout that no mode turns off."""
    model.model.layers[1].mlp.register_forward_hook(lambda module, _, out: torch.nn.functional.dropout(out, 0.05))


def noise_in_train_mode(model: PreTrainedModel) -> None:
    """Dropout that cannot be turned off once it was on."""

    class Latching(torch.nn.Dropout):
        def train(self, mode: bool = True) -> Latching:
            return super().train(mode or self.training)

    latching = Latching(0.05)
    latching.training = False
    model.model.norm = torch.nn.Sequential(model.model.norm, latching)


def state(model: PreTrainedModel) -> None:
    """A little of the token before, whatever sequence it belongs to, as of a convolution."""
    model.model.layers[0].register_forward_hook(lambda module, _, out: out + 0.02 * out.roll(1, dims=1))


def row_length(model: PreTrainedModel) -> None:
    """Products scaled by the length of the whole row."""
    model.model.norm.register_forward_hook(lambda module, _, out: out * (1 + 1e-4 * out.shape[1]))


def scaled_logits(model: PreTrainedModel) -> None:
    model.lm_head.register_forward_hook(lambda module, _, logits: logits * 1.01)


def capped_logits(model: PreTrainedModel) -> None:
    model.lm_head.register_forward_hook(lambda module, _, logits: 30 * torch.tanh(logits / 30))


def not_a_number(model: PreTrainedModel) -> None:
    model.model.norm.weight.data[0] = torch.nan


@pytest.mark.parametrize(
    "fault", [noise, noise_in_train_mode, state, row_length, scaled_logits, capped_logits, not_a_number]
)
def test_a_faulty_model_is_refused_with_the_number(model: PreTrainedModel, fault: Callable) -> None:
    sound = prove(model, LONGEST, CPU)
    assert max(sound) < TOLERANCE / 100
    fault(model)
    mode = "train" if fault is noise_in_train_mode else "eval"
    told = rf"llama models .* in {mode} mode .* of 60 and 15 tokens differ by up to (\d|nan).* nats .* than 0\.002"
    with pytest.raises(ModelError, match=told):
        prove(model, LONGEST, CPU)


def test_a_model_that_breaks_is_refused_by_its_error(model: PreTrainedModel) -> None:
    def fail(*_: object) -> None:
        raise IndexError("index 60 is out of range\nin self")

    model.model.layers[1].register_forward_hook(fail)
    told = r"two sequences by themselves end in an error \(IndexError: index 60 is out of range in self\)"
    with pytest.raises(ModelError, match=told):
        prove(model, LONGEST, CPU)


def test_heads_that_do_not_divide_over_ranks_are_refused(model: PreTrainedModel) -> None:
    assert max(prove(model, LONGEST, CPU, dividing(attention.blocks, 2))) < TOLERANCE
    # 2 key heads, each 3 times for 3 ranks, are 6, over which 4 heads do not divide
    with pytest.raises(ModelError, match=r"4 attention heads, 2 of them for keys, do not divide over .*size=3"):
        prove(model, LONGEST, CPU, dividing(attention.blocks, 3))


# ---------------------------------------------------------------- lengths


@pytest.mark.parametrize(
    ("longest", "settings", "expected"),
    [
        (2, {}, 2),
        (500, {}, 500),
        (9000, {}, 1024),  # llama's max_position_embeddings is 256 here
        (9000, {"max_position_embeddings": 4096}, 4160),  # 64 more
        (4100, {"max_position_embeddings": 4096}, 4100),  # but no longer than the run's
        (9000, {"max_position_embeddings": 10_000}, 1024),  # no sequence gets there
        (9000, {"rope_parameters": {"original_max_position_embeddings": 2000, "rope_theta": 1e4}}, 2064),
        (9000, {"some_windows": [1500, 2048]}, 2112),
        (9000, {"vocab_size": 5000}, 1024),
    ],
)
def test_sequences_are_longer_than_what_may_matter(tmp_path, longest: int, settings: dict, expected: int) -> None:
    config = small_config("llama")
    model = small_model(config, tmp_path)
    for name, value in settings.items():
        setattr(model.config, name, value)
    (long_prompt, long_completion), (prompt, completion) = probe(model, longest)
    long, short = [*long_prompt, *long_completion], [*prompt, *completion]
    assert len(long) == expected and len(short) == min(96, max(2, expected // 4)) and len(prompt) == 1
    repeated = min(32, expected // 2)  # the long one ends as it began, and the short one begins so
    assert long[-repeated:] == long[:repeated] and short[:repeated] == long[: min(repeated, len(short))]


def test_positions_that_depend_on_the_row_are_refused_where_they_do(tmp_path: Path) -> None:
    # beyond 64 positions the long factors are taken, and in a packed row for its short sequences too
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 8,
        "long_factor": [4.0] * 8,
        "original_max_position_embeddings": 64,
        "partial_rotary_factor": 1.0,
    }
    settings = {"rope_parameters": rope, "original_max_position_embeddings": 64, "sliding_window": None}
    model = loaded("phi3", tmp_path, **settings)
    assert max(prove(model, 64, CPU)) < TOLERANCE / 10
    with pytest.raises(ModelError, match=r"phi3 models .* of 70 and 17 tokens"):
        prove(loaded("phi3", tmp_path, **settings), 70, CPU)


# ---------------------------------------------------------------- no trace


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_proof_is_in_float32_and_leaves_the_model_as_it_was(tmp_path: Path, dtype: str) -> None:
    model = loaded("gemma3_text", tmp_path, dtype)
    tensors = [*model.named_parameters(), *model.named_buffers()]
    before = {name: (tensor.data_ptr(), tensor.dtype, tensor.clone()) for name, tensor in tensors}
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    random = torch.get_rng_state()
    # in bfloat16 the two ways would differ by about 0.1
    assert max(prove(model, 120, CPU)) < TOLERANCE / 10
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        pointer, kind, value = before[name]
        assert (tensor.data_ptr(), tensor.dtype) == (pointer, kind) and torch.equal(tensor, value)
    assert hooks == sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    assert torch.equal(random, torch.get_rng_state())
    assert model.config._attn_implementation == attention.NAME and not model.training


def test_a_policy_in_train_mode_runs_its_model_in_eval_mode(model: PreTrainedModel) -> None:
    policy = PolicyLogprobs(model, attention.blocks).train()
    assert policy.training and not any(module.training for module in model.modules())


# ---------------------------------------------------------------- recomputation, which Transformers ties to train mode


def test_recomputation_runs_layers_twice_and_changes_no_gradient(tmp_path: Path) -> None:
    ids = torch.arange(2, 40).numpy()
    gradients, runs = [], []
    for recomputed in (False, True):
        model = loaded("starcoder2", tmp_path)
        if recomputed:
            recompute(model)
        seen: list[torch.nn.Module] = []
        model.model.layers[2].self_attn.register_forward_hook(lambda module, *_, seen=seen: seen.append(module))
        policy = PolicyLogprobs(model, attention.blocks).train()
        policy(pack([(ids[:3], ids[3:]), (ids[:2], ids[9:])]))[0].sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
        runs.append(len(seen))
    assert runs == [1, 2]
    assert all(torch.equal(plain, again) for plain, again in zip(*gradients, strict=True))


def test_models_without_layers_to_recompute_are_refused(model: PreTrainedModel) -> None:
    model.supports_gradient_checkpointing = False
    with pytest.raises(
        ModelError, match=r"llama models do not support gradient checkpointing; set trainer\.gradient_checkpointing"
    ):
        recompute(model)
