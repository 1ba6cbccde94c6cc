"""The relation `text`: embeddings and entailment of tiny models whose verdicts are known, bounds, errors of models."""

import math
import time
from pathlib import Path

import pytest
import transformers

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Verdict
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.math.values import Rules
from seed_grpo.verify.relations.text import Embedding, Entailment, parse_text
from support.model_folders import changed, without
from support.text_models import embedding_model, entailment_model


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    return embedding_model(tmp_path_factory.mktemp("embedding"))


@pytest.fixture(scope="module")
def entailments(tmp_path_factory):
    return entailment_model(tmp_path_factory.mktemp("entailment"))


def same(model, first, second):
    forward, backward = (
        model.compare(parse_text(one), parse_text(other), Rules()) for one, other in ((first, second), (second, first))
    )
    assert forward is backward
    return forward


# cos(`paris`, `paris capital`): one state against the mean of two whose cosine is -1/15, so
# (1 - 1/15) / sqrt(2 (1 - 1/15)) = sqrt(7/15) = 0.683130. By the first state alone it would be 1, by the last -0.067.
COSINE = math.sqrt(7 / 15)


def test_embeddings_are_means_and_a_cosine_at_the_threshold_is_enough(embeddings):
    below, above = Embedding(embeddings, COSINE - 1e-4), Embedding(embeddings, COSINE + 1e-4)
    assert same(below, "paris", "paris capital") and not same(above, "paris", "paris capital")
    assert not same(below, "paris", "rome")


def test_words_of_one_vector_mean_the_same(embeddings):
    model = Embedding(embeddings, 0.99)
    assert same(model, "the capital Paris", "the capital  lutetia")
    assert same(model, "paris the capital", "the capital paris")  # a mean knows no order
    assert not same(model, "the capital Paris", "the capital Rome")


def test_entailment_is_asked_in_both_directions(entailments):
    model = Entailment(entailments, 0.9)
    assert same(model, "yes paris", "yes rome")
    assert not same(model, "yes paris", "rome")  # one direction alone holds
    assert not same(model, "paris", "rome")
    assert not same(Entailment(entailments, 1.0), "yes paris", "yes rome")  # with probability 1 - 1e-4


def test_the_label_is_found_by_its_name(tmp_path):
    path = entailment_model(tmp_path, ("entailment", "neutral"))
    model = Entailment(path, 0.9)  # in this order the second label, not the first, is that of `yes`
    assert same(model, "paris", "rome") and not same(model, "yes paris", "yes rome")


def test_verdicts_and_classes_of_a_group(embeddings):
    config = VerifierConfig(
        relation="text", text_model=embeddings, text_method="embedding", text_threshold=0.65, extraction="answer_tag"
    )
    judge = Judge(config)
    texts = ["Paris", "rome", "lutetia", "paris capital", "capital", "not"]
    judged = judge.judge([*(f"<answer>{text}</answer>" for text in texts), "no tag"], ["paris"])
    correct, wrong = Verdict.CORRECT, Verdict.INCORRECT
    verdicts = [each.judgement.verdict for each in judged]
    assert verdicts == [correct, wrong, correct, correct, wrong, wrong, Verdict.NO_ANSWER]
    # `capital` is close to `paris capital` (0.683) and not to `paris` (-0.067): one component all the same
    assert partition([each.form for each in judged], judge.same).tolist() == [0, 1, 0, 0, 0, 2, -1]
    judge.close()


def counted(monkeypatch, model):
    """A list that grows with every forward pass of a class of models."""
    calls, forward = [], model.forward

    def count(*arguments, **named):
        calls.append(None)
        return forward(*arguments, **named)

    monkeypatch.setattr(model, "forward", count)
    return calls


def test_texts_are_embedded_once_and_pairs_asked_once(embeddings, entailments, monkeypatch):
    asked = counted(monkeypatch, transformers.BertForSequenceClassification)
    run = counted(monkeypatch, transformers.BertModel)
    embedding, entailment = Embedding(embeddings, 0.9), Entailment(entailments, 0.9)
    texts = [f"yes {word}" for word in ("paris", "rome", "not", "the")]
    for _ in range(3):
        for first in texts:
            for second in texts:
                if first != second:
                    assert same(entailment, first, second) and not same(embedding, first, second)
    assert len(asked) == 4 * 3
    assert len(run) - len(asked) == 4  # one is inside the other


HOSTILE = ["", "\0", "\ud800\udfff", "[SEP] [CLS] [PAD]", "é" * 3000, "paris " * 600, "\u202e\U0001f525", "a" * 3999]


@pytest.mark.parametrize("kind", ["embedding", "entailment"])
def test_no_text_makes_a_comparison_fail_or_long(kind, embeddings, entailments):
    paths = {"embedding": embeddings, "entailment": entailments}
    judge = Judge(VerifierConfig(relation="text", text_model=paths[kind], text_method=kind))
    started = time.process_time()
    for text in HOSTILE:
        judged = judge.judge_answers([text, "rome", "paris"], ["paris", text])
        assert [each.judgement.verdict.is_valid for each in judged] == [True, True, True], text
        assert partition([each.form for each in judged], judge.same).min() == 0
    assert time.process_time() - started < 20
    assert judge.judge_answers(["a" * 4001], ["paris"])[0].judgement.verdict is Verdict.INCORRECT
    judge.close()


def test_a_text_is_cut_at_the_tokens_of_the_model(embeddings):
    model = Embedding(embeddings, 0.999)  # of 32 positions: all that stands behind them is not looked at
    assert same(model, "paris " * 32 + "rome " * 30, "paris " * 32 + "not " * 30)
    assert not same(model, "paris " * 20 + "rome " * 12, "paris " * 20 + "not " * 12)


def test_a_model_that_cannot_say_is_named(embeddings, tmp_path):
    with pytest.raises(VerifierError, match=r"labels no, yes and no `entailment`; .*text_method=embedding"):
        Entailment(entailment_model(tmp_path / "labels", ("yes", "no")), 0.9)
    with pytest.raises(VerifierError, match=r"text_model=.*nowhere cannot be loaded"):
        Embedding(str(tmp_path / "nowhere"), 0.9)
    (tmp_path / "labels/config.json").write_text("[]")
    with pytest.raises(VerifierError, match=r"text_model=.*labels cannot be loaded"):
        Embedding(str(tmp_path / "labels"), 0.9)


def test_a_model_with_missing_weights_is_refused(embeddings, tmp_path):
    """Transformers would make random ones, whose verdicts nobody could tell from others."""
    without("classifier.weight")(Path(entailment_model(tmp_path / "entailment")))
    with pytest.raises(VerifierError, match=r"not a whole BertForSequenceClassification: 1 .* \(classifier\.weight\)"):
        Entailment(str(tmp_path / "entailment"), 0.9)
    with pytest.raises(VerifierError, match=r"2 weights are missing \(classifier\.bias, classifier\.weight\)"):
        Entailment(embeddings, 0.9)
    without("encoder.layer.0.attention.self.query")(changed(Path(embeddings), tmp_path / "embedding"))
    with pytest.raises(VerifierError, match=r"not a whole BertModel: 2 weights are missing \(encoder\.layer\.0"):
        Embedding(str(tmp_path / "embedding"), 0.9)
    without("pooler")(changed(Path(embeddings), tmp_path / "no_pooler"))
    assert same(Embedding(str(tmp_path / "no_pooler"), 0.999), "paris", "lutetia")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relation": "text"}, "relation=text needs text_model"),
        ({"text_model": "m"}, "relation=math does not use text_model"),
        ({"relation": "text", "text_model": "m", "text_threshold": 1.5}, "text_threshold"),
    ],
)
def test_a_model_and_the_relation_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        VerifierConfig(**settings)
