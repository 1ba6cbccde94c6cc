"""A real vLLM engine on a model whose tags are special tokens, and which has several end tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from seed_grpo.config import Config
from seed_grpo.messages import Completion, FinishReason, GroupTask, Problem, Sampling
from support.running_engine import EngineThread
from support.tiny_model import EOS, make_tiny_model

pytestmark = pytest.mark.engine

END, TAGS = "<|im_end|>", ["<think>", "<answer>", "</answer>"]


def make_tagged_model(folder: Path) -> Path:
    """The tiny model with special tokens that are as likely as any other; it may end in two ways."""
    make_tiny_model(folder, tied=True, seed=0)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    size = len(tokenizer)
    tokenizer.add_special_tokens({"extra_special_tokens": [END, *TAGS]})
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        rows = model.get_input_embeddings().weight
        rows[size:] = torch.randn(rows[size:].shape, generator=torch.Generator().manual_seed(0)) * 0.15
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ends = tokenizer.convert_tokens_to_ids([EOS, END])
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineThread]:
    folder = make_tagged_model(tmp_path_factory.mktemp("tagged"))
    tree = {
        "run": {"directory": "unused", "steps": 1}, "model": {"path": str(folder), "dtype": "float32"},
        "data": {"source": "arithmetic", "max_prompt_tokens": 100}, "cluster": {"device": "cpu"},
        "rollout": {"max_completion_tokens": 100, "enforce_eager": True, "stop": ["</answer>", "<think>4"]},
    }  # fmt: skip
    engine = EngineThread(Config.model_validate(tree))
    yield engine
    engine.shutdown()


def test_tags_stay_and_stop_and_end_tokens_do_not(engine: EngineThread) -> None:
    tokenizer = AutoTokenizer.from_pretrained(engine.config.model.path)
    prompt = tuple(tokenizer("Compute 47+85.\n")["input_ids"])
    task = GroupTask(0, Problem("p", "Compute 47+85.", ("132",)), prompt, Sampling(200, 1.0, 1.0, 80, 3))
    (think_4,) = [[*tokenizer.convert_tokens_to_ids(["<think>"]), *tokenizer("4")["input_ids"]]]
    ended: dict[str, list[Completion]] = {name: [] for name in (EOS, END, "</answer>", "<think>4", "length")}
    for completion in engine.do(engine.engine.generate(task)).completions_G:
        ids = completion.token_ids_T.tolist()
        whole, last = tokenizer.decode(ids), tokenizer.convert_ids_to_tokens(ids[-1])
        if completion.finish_reason is FinishReason.LENGTH:
            ended["length"].append(completion)
            assert completion.text == whole and len(ids) == 80
        elif last in (EOS, END):
            ended[last].append(completion)
            assert completion.text == whole.removesuffix(last)
        else:  # a stop is part of the text
            ended[stop := "</answer>" if last == "</answer>" else "<think>4"].append(completion)
            assert completion.text == whole and whole.endswith(stop)
        # before: tags were no part of the text, and no tag stopped
        assert all(completion.text.count(tag) == whole.count(tag) for tag in TAGS)
        for stop in ("</answer>", EOS, END):
            assert tokenizer.convert_tokens_to_ids(stop) not in ids[:-1]
        assert all(ids[i : i + 2] != think_4 for i in range(len(ids) - 2))
    for name in (EOS, END, "</answer>", "length"):
        assert ended[name], f"no completion ended with {name}: choose another seed"
    tags = [c for each in ended.values() for c in each if "<think>" in c.text or "<answer>" in c.text]
    assert len(tags) > 20
