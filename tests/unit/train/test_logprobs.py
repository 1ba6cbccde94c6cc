"""Log-probabilities and entropies in blocks against logits held whole, and what they hold at most."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seed_grpo.train import logprobs as lean
from seed_grpo.train.logprobs import lean_logprobs


def plain(hidden_TH, weight_VH, targets_T, bias_V=None, temperature=1.0):
    """The definition, in float64."""
    logits = hidden_TH.double() @ weight_VH.double().T
    logits = logits if bias_V is None else logits + bias_V.double()
    every = torch.log_softmax(logits / temperature, -1)
    return every.gather(1, targets_T[:, None])[:, 0], -(every.exp() * every).sum(-1)


def compared(function, tokens, vocabulary, with_bias=False, spread=1.0, entropy=True, temperature=1.0):
    generator = torch.Generator().manual_seed(tokens + vocabulary)
    hidden = (torch.randn(tokens, 16, generator=generator) * spread).requires_grad_()
    weight = torch.randn(vocabulary, 16, generator=generator).requires_grad_()
    bias = torch.randn(vocabulary, generator=generator).requires_grad_() if with_bias else None
    targets = torch.randint(0, vocabulary, (tokens,), generator=generator)
    up, down = (torch.randn(tokens, generator=generator) for _ in range(2))
    logprobs, entropies = function(hidden, weight, targets, bias, temperature)
    total = (logprobs * up).sum() + ((entropies * down).sum() if entropy else 0.0)
    gradients = torch.autograd.grad(total, [t for t in (hidden, weight, bias) if t is not None])
    return [logprobs.detach(), entropies.detach(), *gradients]


def assert_equal(found, expected, temperature=1.0):
    # to 1e-6 of the largest number of each; logits that are divided by T are rounded at 1 / T of their size
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() <= 2e-6 * max(1.0, float(theirs.abs().max())) / min(1.0, temperature)


@settings(deadline=None)
@given(
    tokens=st.integers(1, 20),
    vocabulary=st.integers(2, 60),
    size=st.sampled_from([1, 7, 64]),
    with_bias=st.booleans(),
    entropy=st.booleans(),
    temperature=st.sampled_from([1.0, 0.7, 1.6]),
)
def test_equal_to_whole_logits_in_value_and_gradient(tokens, vocabulary, size, with_bias, entropy, temperature):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lean, "LOGITS_AT_ONCE", {"cpu": 1})
        patched.setattr(lean, "SMALLEST_BLOCK", size)
        found = compared(lean_logprobs, tokens, vocabulary, with_bias, entropy=entropy, temperature=temperature)
    expected = compared(plain, tokens, vocabulary, with_bias, entropy=entropy, temperature=temperature)
    assert_equal(found, expected, temperature)


def test_by_hand():
    # logits log 1, log 2, log 5: probabilities 1/8, 2/8, 5/8. H = (log 8 + 2 log 4 + 5 log 1.6) / 8 = 0.900256
    weight = torch.log(torch.tensor([[1.0], [2.0], [5.0]]))
    logprobs, entropies = lean_logprobs(torch.ones(2, 1), weight, torch.tensor([0, 2]))
    assert logprobs.tolist() == pytest.approx([-2.0794415, -0.4700036])
    assert entropies.tolist() == pytest.approx([0.9002561] * 2)
    # at T = 1/2 the weights are squared: probabilities 1/30, 4/30, 25/30, and
    # H = log 30 - (4 log 4 + 25 log 25) / 30 = 0.533962
    logprobs, entropies = lean_logprobs(torch.ones(2, 1), weight, torch.tensor([0, 2]), temperature=0.5)
    assert logprobs.tolist() == pytest.approx([-3.4011974, -0.1823216])
    assert entropies.tolist() == pytest.approx([0.5339616] * 2)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_backward_is_the_slope_of_forward(monkeypatch, temperature):
    """Central differences in float64, whose error is of the order of the step's square: 1e-10."""
    monkeypatch.setattr(lean, "LOGITS_AT_ONCE", {"cpu": 1})
    monkeypatch.setattr(lean, "SMALLEST_BLOCK", 3)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # logits stay as exact as they are
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((4, 3), (8, 3), (8,))]
    up_T, down_T = (torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(2))
    targets_T = torch.tensor([0, 7, 2, 5])

    def total(hidden_TH, weight_VH, bias_V):
        logprobs_T, entropies_T = lean_logprobs(hidden_TH, weight_VH, targets_T, bias_V, temperature)
        return (up_T * logprobs_T + down_T * entropies_T).sum()

    gradients = torch.autograd.grad(total(*(each.requires_grad_() for each in inputs)), inputs)
    step = 1e-5
    with torch.no_grad():
        for each, gradient in zip(inputs, gradients, strict=True):
            slopes = torch.zeros_like(each)
            for place in range(each.numel()):
                ends = []
                for sign in (1, -1):
                    each.view(-1)[place] += sign * step
                    ends.append(total(*inputs))
                    each.view(-1)[place] -= sign * step
                slopes.view(-1)[place] = (ends[0] - ends[1]) / (2 * step)
            assert (gradient - slopes).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_temperature_1_is_the_formula_without_one_to_the_bit(dtype):
    hidden, weight = (torch.randn(9, 16).to(dtype).requires_grad_(), torch.randn(40, 16).to(dtype).requires_grad_())
    targets, up, down = torch.arange(9) * 4, torch.randn(9), torch.randn(9)
    found = lean_logprobs(hidden, weight, targets, temperature=1.0)
    gradients = torch.autograd.grad((found[0] * up + found[1] * down).sum(), [hidden, weight])
    with torch.no_grad():  # one block: the running maximum and sums are those of the whole
        logits = torch.nn.functional.linear(hidden, weight).float()
        top = logits.amax(1)
        shifted = logits - top[:, None]
        total, dot = shifted.exp().sum(1), (shifted.exp() * shifted).sum(1)
        entropies = total.log() - dot / total
        logprobs = logits - (top + total.log())[:, None]
        slopes = -(logprobs.exp() * ((logprobs + entropies[:, None]) * down[:, None] + up[:, None]))
        slopes[torch.arange(9), targets] += up
        slopes = slopes.to(dtype)
    assert torch.equal(found[0], logprobs[torch.arange(9), targets]) and torch.equal(found[1], entropies)
    assert torch.equal(gradients[0], (slopes @ weight).to(dtype)) and torch.equal(gradients[1], slopes.t() @ hidden)


def test_logits_that_overflow_exp_do_not(monkeypatch):
    # logits of hundreds of nats, and a maximum that comes in a later block than the target
    monkeypatch.setattr(lean, "LOGITS_AT_ONCE", {"cpu": 1})
    monkeypatch.setattr(lean, "SMALLEST_BLOCK", 5)
    found = compared(lean_logprobs, 12, 40, spread=100.0)
    assert all(tensor.isfinite().all() for tensor in found)
    assert_equal(found, compared(plain, 12, 40, spread=100.0))


def test_a_frozen_output_matrix_gets_no_gradient_and_none_is_made():
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(9, 4)
    logprobs, _ = lean_logprobs(hidden, weight, torch.tensor([1, 2, 3]))
    logprobs.sum().backward()
    assert hidden.grad is not None and weight.grad is None


def test_bfloat16_loses_little_by_the_blocks(monkeypatch):
    # the gradient of the hidden states is a sum over blocks: added up in bfloat16, 64 of them would be off by per cents
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(8, 16, generator=generator).bfloat16().requires_grad_()
    weight = torch.randn(512, 16, generator=generator).bfloat16().requires_grad_()
    targets = torch.arange(8) * 60
    results = []
    for size in (512, 8):
        monkeypatch.setattr(lean, "LOGITS_AT_ONCE", {"cpu": 1})
        monkeypatch.setattr(lean, "SMALLEST_BLOCK", size)
        results.append(torch.autograd.grad(lean_logprobs(hidden, weight, targets)[0].sum(), [hidden, weight]))
    for whole, in_blocks in zip(*results, strict=True):
        assert (whole - in_blocks).float().norm() < 4e-3 * whole.float().norm()


def test_rows_times_vocabulary_is_never_held():
    # every tensor of forward and backward, seen where it is made: none has more numbers than a block or an input
    tokens, vocabulary, width = 2048, 20_000, 8
    largest = max(tokens * lean.SMALLEST_BLOCK, lean.LOGITS_AT_ONCE["cpu"], vocabulary * width)

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(tensor, torch.Tensor):
                    Watching.seen = max(Watching.seen, tensor.numel())
            return result

    hidden, weight = torch.randn(tokens, width, requires_grad=True), torch.randn(vocabulary, width, requires_grad=True)
    with Watching():
        logprobs, entropies = lean_logprobs(hidden, weight, torch.randint(0, vocabulary, (tokens,)), temperature=0.7)
        (logprobs + entropies).sum().backward()
    assert 0 < Watching.seen <= largest < tokens * vocabulary / 8


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"must be \[T, H\], \[V, H\] and \[T\]"):
        lean_logprobs(torch.zeros(3, 4), torch.zeros(9, 5), torch.zeros(3, dtype=torch.int64))
