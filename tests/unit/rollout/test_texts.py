"""Texts of completions, and where they stop, with tokenizers of every kind; vLLM's own detokenizer looks for stops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from seed_grpo.messages import Sampling
from seed_grpo.rollout.texts import CompletionTexts
from seed_grpo.rollout.vllm.engine import sampling_params
from seed_grpo.verify.extract import extract_answer
from support.many_tokenizers import KINDS, byte_level, llama_2, sentence_piece, unigram, word_piece

TAGS = ["<answer>", "</answer>", "<|eot|>"]


def tagged(tokenizer: Any) -> Any:
    tokenizer.add_special_tokens({"extra_special_tokens": [*tokenizer.extra_special_tokens, *TAGS]})
    return tokenizer


@pytest.fixture(scope="module", params=[name for name in KINDS if name != "word_piece"])
def kind(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Those whose text comes back as it was, spaces beside control tokens aside."""
    yield tagged(KINDS[request.param]())


def ids_of(tokenizer: Any, *pieces: str) -> list[int]:
    """Token ids of pieces that are control tokens or text."""
    added = tokenizer.get_added_vocab()
    ids: list[int] = []
    for piece in pieces:
        ids += [added[piece]] if piece in added else tokenizer(piece, add_special_tokens=False)["input_ids"]
    return ids


def sampled(tokenizer: Any, ids: Sequence[int], stop: Sequence[str], ends: Sequence[int]) -> tuple[str, list[int]]:
    """Text and tokens of a model that would go on, of which an end token or a stop
    may be the last. The order of the checks is that of vLLM's scheduler and output processor."""
    texts = CompletionTexts(tokenizer, stop, ends, vocab_size=len(tokenizer))
    parameters = sampling_params(Sampling(1, 1.0, 1.0, 100, 0), 0, tuple(stop), texts.stop_ids)
    request = EngineCoreRequest(
        request_id="0", prompt_token_ids=ids_of(tokenizer, "Compute"), mm_features=None, sampling_params=parameters,
        pooling_params=None, arrival_time=0.0, lora_request=None, cache_salt=None, data_parallel_rank=None,
    )  # fmt: skip
    detokenizer = IncrementalDetokenizer.from_new_request(tokenizer if stop else None, request)
    taken: list[int] = []
    for token_id in ids:
        taken.append(token_id)
        is_stopped = token_id in ends or token_id in (parameters.stop_token_ids or ())
        reason = token_id if is_stopped and token_id != tokenizer.eos_token_id else None
        found = detokenizer.update([token_id], is_stopped)
        if is_stopped or found:
            return texts.text(taken, True, found or reason), taken
    return texts.text(taken, False, None), taken


def plain(text: str) -> str:
    """Without the spaces that some tokenizers put beside control tokens."""
    return text.replace(" ", "").replace("\n", "")


def test_tags_that_are_special_tokens_stay_in_the_text(kind: Any) -> None:
    pieces = ["<think>", "1+1 is 2", "</think>", "<answer>", "2", "</answer>", "</s>", "never sampled"]
    text, taken = sampled(kind, ids_of(kind, *pieces), (), [kind.eos_token_id])
    assert plain(text) == plain("<think>1+1 is 2</think><answer>2</answer>")  # before: `1+1 is 2 2`
    assert taken == ids_of(kind, *pieces[:-1])  # the end token is trained on
    assert extract_answer(text, "answer_tag") == extract_answer(text, "auto") == "2"


@pytest.mark.parametrize("stop", ["</answer>", "<|eot|>"])
def test_a_stop_that_is_a_special_token_stops(kind: Any, stop: str) -> None:
    pieces = ["<answer>", "2", stop]
    ids = ids_of(kind, *pieces, "and so on", stop, "</s>")
    text, taken = sampled(kind, ids, [stop], [kind.eos_token_id])
    assert plain(text) == f"<answer>2{stop}"  # before: 0 of 32 stopped
    assert taken == ids_of(kind, *pieces)
    assert CompletionTexts(kind, [stop], [], len(kind)).stop_ids == ids_of(kind, stop)
    assert extract_answer(text, "auto") == "2" or stop == "<|eot|>"


def test_a_stop_of_several_special_tokens_stops(kind: Any) -> None:
    pieces = ["</think>", "2", "</answer>", "<|eot|>", "<|eot|>"]
    text, taken = sampled(kind, ids_of(kind, *pieces, "x"), ["<|eot|><|eot|>"], [kind.eos_token_id])
    assert (plain(text), taken) == ("".join(pieces), ids_of(kind, *pieces))


def test_a_stop_that_mixes_text_and_special_tokens_stops() -> None:
    tokenizer = tagged(byte_level())
    ids = ids_of(tokenizer, "so ", "<answer>", "2", "</answer>", "\nUser", ": more", "</s>")
    text, taken = sampled(tokenizer, ids, ["</answer>\nU"], [tokenizer.eos_token_id])
    assert text == "so <answer>2</answer>\nU"
    assert tokenizer.decode(taken).startswith(text) and taken[-1] != tokenizer.eos_token_id  # ends within a token
    assert CompletionTexts(tokenizer, ["</answer>\nU"], [], 999).stop_ids == []


def test_a_stop_that_is_spelt_in_ordinary_tokens_stops_too() -> None:
    tokenizer = tagged(byte_level())
    spelt = tokenizer("5</answer>", split_special_tokens=True)["input_ids"]
    text, taken = sampled(tokenizer, [*spelt, *ids_of(tokenizer, " and more")], ["</answer>"], [])
    assert (text, taken) == ("5</answer>", spelt)


ENDS = {"the tokenizer's": "</s>", "of the generation settings": "<|im_end|>", "another of them": "<|eot|>"}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("stop", [(), ("</answer>",), ("|",), ("<",), ("never",)], ids=" ".join)
def test_the_token_that_ended_a_completion_is_not_its_text(kind: Any, end: str, stop: tuple[str, ...]) -> None:
    ends = [kind.convert_tokens_to_ids(name) for name in ENDS.values()]
    ids = ids_of(kind, "so 47+85 is 132", end, "x")
    text, taken = sampled(kind, ids, stop, ends)
    # of `<|im_end|>`, in which `|` and `<` stop, nothing is left either
    assert text.strip() == "so 47+85 is 132"
    assert taken[-1] == kind.convert_tokens_to_ids(end)


def test_an_end_token_that_is_asked_for_as_a_stop_stays_as_stops_do() -> None:
    tokenizer = tagged(byte_level())
    ids = ids_of(tokenizer, "it is 5", "<|im_end|>", "x")
    text, _ = sampled(tokenizer, ids, ["<|im_end|>"], [tokenizer.convert_tokens_to_ids("<|im_end|>")])
    assert text == "it is 5<|im_end|>"
    assert extract_answer(text, "last_number") == extract_answer(text, "auto") == "5"


@pytest.mark.parametrize("last", ["<answer>", "</answer>", "</s>", "132", "<pad>"])
def test_a_completion_that_was_cut_keeps_its_last_token(kind: Any, last: str) -> None:
    """Also one that would be an end or a stop, had the engine known it as one."""
    ids = ids_of(kind, "so", last)
    text = CompletionTexts(kind, ["</answer>"], [kind.eos_token_id], len(kind)).text(ids, False, None)
    assert plain(text) == f"so{last}"
    assert CompletionTexts(kind, [], [], 9).text([], False, None) == ""


def test_stops_that_are_one_ordinary_token_are_token_ids_too() -> None:
    tokenizer = byte_level()
    texts = CompletionTexts(tokenizer, ["\n", " x", "Compute", "47+85. "], [], len(tokenizer))
    assert tokenizer.convert_ids_to_tokens(texts.stop_ids) == ["\u010a", "\u0120x", "Compute"][: len(texts.stop_ids)]
    assert len(texts.stop_ids) >= 2
    # SentencePiece and Unigram write a space in front, which is not what the stop string says
    for make in (sentence_piece, unigram, llama_2, word_piece):
        for token_id in CompletionTexts(make(), ["x", "\n", "q"], [], 9999).stop_ids:
            assert make().decode([token_id]) in ("x", "q")


def test_a_stop_beyond_the_models_vocabulary_is_none_of_its_tokens() -> None:
    tokenizer = tagged(byte_level())
    eot = tokenizer.convert_tokens_to_ids("<|eot|>")
    assert CompletionTexts(tokenizer, ["<|eot|>"], [], vocab_size=eot).stop_ids == []
    assert CompletionTexts(tokenizer, ["<|eot|>"], [], vocab_size=eot + 1).stop_ids == [eot]
