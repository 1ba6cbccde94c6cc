"""Tiny text models for tests, in the hub's layout: real transformers code on weights set by hand."""

from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("paris", "lutetia", "rome", "yes", "not", "the", "capital")
"""`lutetia` has the vector of `paris`; all others are orthogonal"""


def _tokenizer(folder: Path) -> int:
    """Saves a tokenizer by words; the number of its words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$A [SEP] $B:1", special_tokens=[("[SEP]", numbers["[SEP]"])]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return len(numbers)


def _config(words: int, **changes):
    from transformers import BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BertConfig(vocab_size=words, max_position_embeddings=32, **sizes, **changes)


def _fixed(model) -> None:
    """The state of every word is its row of the identity, normalised: attention adds nothing, positions are zero."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" not in name:
                weight.zero_()
        table = model.base_model.embeddings.word_embeddings.weight
        table[:, : len(table)] = torch.eye(len(table))
        table[_number("lutetia")] = table[_number("paris")]


def _number(word: str) -> int:
    return len(SPECIAL) + WORDS.index(word)


def embedding_model(folder: Path) -> str:
    """Two different words have states of cosine -1/15: rows of the identity of size 16, less their mean."""
    from transformers import BertModel

    model = BertModel(_config(_tokenizer(folder)))
    _fixed(model)
    model.save_pretrained(folder)
    return str(folder)


def entailment_model(folder: Path, labels: tuple[str, ...] = ("Contradiction", "ENTAILMENT")) -> str:
    """Whatever begins with `yes` entails everything, with probability 1 - 1e-4; nothing else entails anything."""
    import torch
    from transformers import BertForSequenceClassification

    names = dict(enumerate(labels))
    config = _config(_tokenizer(folder), id2label=names, label2id={name: number for number, name in names.items()})
    model = BertForSequenceClassification(config)
    _fixed(model)
    with torch.no_grad():
        model.bert.pooler.dense.weight.copy_(torch.eye(16))
        model.classifier.weight[1, _number("yes")] = 10.0
    model.save_pretrained(folder)
    return str(folder)
