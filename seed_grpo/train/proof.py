"""Proof of a model before training: packed sequences have the log-probabilities that the model itself gives.

Consumes a model as it is about to be trained; produces the largest difference, or the error that refuses the model.
Compared are `PolicyLogprobs` on a row of two packed sequences, in train and in eval mode, with the model's own logits
of each sequence by itself under Transformers' ordinary attention. No family is named here. These all show as a
difference: dropout that stays on, a window that is ignored, state that runs on into the next sequence, positions that
depend on the row, logits that are more than hidden states times output matrix.

It computes in float32 whatever the run's dtype is. In bfloat16 two right ways of computing the same differ by a tenth
of a nat, and by more where rounding sends a token to another expert. An overlooked logit cap differs by no more than
that. Memory stays small: a layer's weights are on the device, in float32, only while the layer runs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedConfig, PreTrainedModel

from seed_grpo.errors import ModelError
from seed_grpo.train.attention import NAME, Attention, blocks
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.packing import pack

TOLERANCE = 2e-3
"""nats; in float32 the two ways differ by less than a tenth of it"""
ALWAYS = 1024
"""tokens of the run's longest sequence that are tried for every model, whatever its settings are called"""
LENGTH = re.compile("window|chunk|position|context|local|block|span|extent|topk|length|scale")
"""words in the names of settings that are lengths; a model may compute otherwise beyond one, so that is tried"""
MARGIN, SHORT, REPEATED, COMPARED = 64, 96, 32, 128
"""tokens beyond such a length, of the short sequence, of the pattern, and of a sequence's end that is compared"""


class Differences(NamedTuple):
    """Largest differences in nats."""

    evaluating: float
    training: float


def prove(model: PreTrainedModel, longest: int, device: torch.device, attention: Attention = blocks) -> Differences:
    """Compares packed with single sequences, and leaves the model as it was.

    Args:
        model: a model on the CPU, loaded by `train.model.load_model`.
        longest: tokens of the longest sequence that the run can have.
        device: the device to compute on.
        attention: attention of the packed row, in float32.

    Raises:
        ModelError: the two differ, or the model cannot be run in one of the ways.
    """
    name = model.config.model_type
    with _named(name, "to be packed"):
        policy = PolicyLogprobs(model, attention)
        sequences = probe(model, longest)
    lengths = " and ".join(str(len(prompt) + len(completion)) for prompt, completion in sequences)
    row = pack(sequences).to(device)
    found = []
    with torch.no_grad(), _in_float32(model, device):
        with _named(name, "by themselves"):
            expected_T = torch.cat([_own_logprobs(model, *sequence, device) for sequence in sequences])
        for mode in ("eval", "train"):
            with _named(name, f"packed, in {mode} mode,"):
                logprobs_T, _ = policy.train(mode == "train")(row)
            difference = float((logprobs_T - expected_T).abs().max())
            if not difference <= TOLERANCE:  # also where it is not a number
                raise ModelError(
                    f"{name} models cannot be trained on packed sequences: in {mode} mode the log-probabilities of two "
                    f"sequences of {lengths} tokens differ by up to {difference:.3g} nats from those that the model "
                    f"gives each by itself, more than {TOLERANCE:g} (float32); choose another model.path"
                )
            found.append(difference)
    policy.eval()
    return Differences(*found)


def probe(model: PreTrainedModel, longest: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two sequences of (prompt, completion), the long one first.

    The long one ends as it began, and a model that sees so far back expects that. The short one begins in the same way,
    and a model expects that only if it sees into the sequence before. The long one is as long as the run's sequences,
    or longer than every length beyond which the model may compute otherwise. The short one is much shorter.
    """
    known = [length + MARGIN for length in _lengths(model.config.get_text_config()) if length < longest]
    length = min(longest, max([ALWAYS, *known]))
    matrices: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    vocabulary = min(len(each.weight) for each in matrices)
    ids = np.random.default_rng(0).integers(0, vocabulary, length + SHORT)
    repeated = ids[: min(REPEATED, length // 2)]
    long = np.concatenate([ids[: length - len(repeated)], repeated])
    short = np.concatenate([repeated, ids[length:]])[: min(SHORT, max(2, length // 4))]
    end = max(1, length - COMPARED)
    return [(long[:end], long[end:]), (short[:1], short[1:])]


def _lengths(config: PreTrainedConfig) -> Iterator[int]:
    """Numbers of the configuration that are lengths by their names."""

    def inside(value: Any, named: bool) -> Iterator[int]:
        if isinstance(value, dict):
            for key, each in value.items():
                yield from inside(each, named or LENGTH.search(str(key)) is not None)
        elif isinstance(value, (list, tuple)):
            for each in value:
                yield from inside(each, named)
        elif isinstance(value, int) and not isinstance(value, bool) and named:
            yield value

    return inside(config.to_dict(), False)


def _own_logprobs(
    model: PreTrainedModel, prompt: np.ndarray, completion: np.ndarray, device: torch.device
) -> torch.Tensor:
    """The completion's log-probabilities [T] by the model's own logits.

    Eager attention leaves out nothing that a model asks for, but holds L x L numbers a head: it is for the short
    sequence, and for models that know no other.
    """
    ids_1L = torch.from_numpy(np.concatenate([prompt, completion])).to(device)[None]
    count = len(completion)
    accepted = inspect.signature(model.forward).parameters
    kept = {"logits_to_keep": count + 1} if "logits_to_keep" in accepted else {}
    eager = ids_1L.shape[1] <= SHORT or not model._supports_sdpa
    model.eval()
    model.set_attn_implementation("eager" if eager else "sdpa")
    try:
        logits_TV = model(input_ids=ids_1L, use_cache=False, **kept).logits[0, -count - 1 : -1]
    finally:
        model.set_attn_implementation(NAME)
    return -cross_entropy(logits_TV.float(), ids_1L[0, -count:], reduction="none")


@contextmanager
def _named(name: str, how: str) -> Iterator[None]:
    """Turns a model's own failure, of whatever class, into one of our errors."""
    try:
        yield
    except (ModelError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ModelError(
            f"{name} models cannot be trained: two sequences {how} end in an error ({why}); choose another model.path"
        ) from error


@contextmanager
def _in_float32(model: PreTrainedModel, device: torch.device) -> Iterator[None]:
    """Has the model compute in float32 on the device, a layer at a time."""
    layers = _layers(model)
    of_layers = {id(tensor) for layer in layers for tensor in _tensors(layer)}
    rest = [tensor for tensor in _tensors(model) if id(tensor) not in of_layers]
    with ExitStack() as stack:
        stack.enter_context(_lent(rest, device))
        for layer in layers:
            for hook in _lent_while_running(layer, device):
                stack.callback(hook.remove)
        yield


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The members of lists of modules that lie in no other list."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    nested = {id(inner) for each in lists for inner in each.modules() if inner is not each}
    return [layer for each in lists if id(each) not in nested for layer in each]


def _tensors(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


@contextmanager
def _lent(tensors: Iterable[torch.Tensor], device: torch.device) -> Iterator[None]:
    own = [(tensor, tensor.data) for tensor in tensors]
    try:
        for tensor, data in own:
            tensor.data = data.to(device, torch.float32 if data.is_floating_point() else data.dtype)
        yield
    finally:
        for tensor, data in own:
            tensor.data = data


def _lent_while_running(layer: torch.nn.Module, device: torch.device) -> Sequence[Any]:
    """Hooks that put a layer on the device for the time of each of its passes."""
    stack = ExitStack()
    before = layer.register_forward_pre_hook(lambda *_: stack.enter_context(_lent(_tensors(layer), device)))
    after = layer.register_forward_hook(lambda *_: stack.close(), always_call=True)
    return before, after
