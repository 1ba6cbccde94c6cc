"""Estimators of how uncertain a policy is about a prompt, each from the G recorded completions of that prompt.

Consumes `RecordedGroup`s; produces one number a group: the higher, the more uncertain. It judges no estimator
(`evaluate.metrics.uncertainty` does). All look at the completions inside the partition alone (class id >= 0), so those
that timed out or met a verifier error take no part; a group with fewer than two inside says nothing (nan).

`n` is the number of completions inside, p_k the mass of meaning class k, l_i the log-probability of completion i summed
over its T_i sampled tokens, in nats. Log-probabilities are of the distribution that was sampled from, temperature and
top-p included, so the uncertainty is that of this policy.

Published code on the same groups (lm-polygraph 0.7.0, uqlm 0.6.7, and by their formulas the code of Farquhar et al.
2024 and of Kuhn et al. 2023); = is agreement to 2e-15:

    semantic_entropy/shannon/counts  = uqlm's discrete entropy, lm-polygraph's SemanticEntropyEmpirical, Farquhar's
                                       cluster_assignment_entropy
    semantic_entropy/shannon/mean    = uqlm with length_normalize, Farquhar's predictive_entropy_rao
    semantic_entropy/shannon/sum     = uqlm without length_normalize, until all exp(l_i) underflow (l_i < -745): it then
                                       takes the classes as equally likely
    semantic_entropy/paper/*           Kuhn's code averages over the classes too, but does not renormalise the masses,
                                       adds 5 nats and does not clip; = with these undone
    semantic_entropy/monte_carlo     = lm-polygraph's SemanticEntropy
    num_classes                      = lm-polygraph's NumSemSets, of a similarity that is 0 or 1, as the next
    pair_disagreement                = lm-polygraph's DegMat
    token_entropy                    = lm-polygraph's MonteCarloNormalizedSequenceEntropy, which leaves out completions
                                       without tokens; here they count as 0
    predictive_entropy               = lm-polygraph's MonteCarloSequenceEntropy

lm-polygraph's "direct" variant sums p log p over the samples instead of the classes, with masses that are not
renormalised: nothing here agrees with it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from seed_grpo.config.sections import SemanticEntropyConfig
from seed_grpo.records.rollout_table import RecordedGroup
from seed_grpo.semantics.entropy import SemanticEntropy, semantic_entropy

Estimator = Callable[[RecordedGroup], float]


def recorded_semantic_entropy(group: RecordedGroup, config: SemanticEntropyConfig) -> SemanticEntropy:
    """Semantic entropy of the final answers by any mass and functional, whatever the run's own were."""
    likelihoods_G = group.mean_logprobs_G if config.likelihood == "mean" else _sum_logprobs(group)
    return semantic_entropy(group.class_ids_G, likelihoods_G, config)


def monte_carlo(group: RecordedGroup) -> float:
    """-(1/n) sum_i log(sum over the class of i of exp(l_j)), nats: the Monte-Carlo estimate that lm-polygraph takes
    from Kuhn et al. 2023.

    The masses are not renormalised, so it grows with the length of the completions and has no maximum.
    """
    ids_G, sums_G = group.class_ids_G, _sum_logprobs(group)
    log_mass_C = [np.logaddexp.reduce(sums_G[ids_G == k]) for k in range(group.num_classes)]
    return -float(np.mean([log_mass_C[k] for k in ids_G if k >= 0]))


def num_classes(group: RecordedGroup) -> float:
    """C: Lin et al. 2023 (arXiv 2305.19187), number of semantic sets."""
    return float(group.num_classes)


def minority_share(group: RecordedGroup) -> float:
    """1 - max_k |C_k| / n: what is left beside the largest meaning class, in [0, 1 - 1/n]."""
    return 1.0 - float(_shares(group).max())


def pair_disagreement(group: RecordedGroup) -> float:
    """1 - sum_k (|C_k| / n)^2: share of the ordered pairs that differ, of Lin et al. 2023 the degree-matrix measure."""
    return 1.0 - float(np.sum(_shares(group) ** 2))


def token_entropy(group: RecordedGroup) -> float:
    """-(1/n) sum_i l_i / T_i, nats per token: length-normalised predictive entropy (Malinin and Gales,
    ICLR 2021, arXiv 2002.07650).

    A Monte-Carlo estimate: each -log p(y_t | y_<t) has the entropy of the distribution it was drawn from as its
    expectation, so for completions of one length the expectation over samples is the token entropy averaged along the
    sequence, of the distribution at the group's temperature and top-p. Where the length depends on what is drawn, that
    is exact of the sums and approximate of the means. A completion without tokens is 0.
    """
    return -float(group.mean_logprobs_G[group.class_ids_G >= 0].mean())


def predictive_entropy(group: RecordedGroup) -> float:
    """-(1/n) sum_i l_i, nats per completion: Monte-Carlo sequence entropy (Malinin and Gales 2021)."""
    return -float(_sum_logprobs(group)[group.class_ids_G >= 0].mean())


def num_tokens(group: RecordedGroup) -> float:
    """Mean length in tokens: not a measure of uncertainty, but the baseline that one has to beat."""
    return float(group.num_tokens_G[group.class_ids_G >= 0].mean())


def _sum_logprobs(group: RecordedGroup) -> np.ndarray:
    return group.mean_logprobs_G * group.num_tokens_G


def _shares(group: RecordedGroup) -> np.ndarray:
    counts_C = np.bincount(group.class_ids_G[group.class_ids_G >= 0])
    return counts_C / counts_C.sum()


def _of_two_or_more(estimator: Estimator) -> Estimator:
    @functools.wraps(estimator)
    def estimate(group: RecordedGroup) -> float:
        return estimator(group) if np.sum(group.class_ids_G >= 0) >= 2 else math.nan

    return estimate


def _entropy(functional: str, mass: str, likelihood: str = "mean") -> Estimator:
    config = SemanticEntropyConfig.model_validate({"functional": functional, "mass": mass, "likelihood": likelihood})

    def estimate(group: RecordedGroup) -> float:
        return recorded_semantic_entropy(group, config).value

    return estimate


ESTIMATORS: dict[str, Estimator] = {
    name: _of_two_or_more(estimator)
    for name, estimator in {
        "semantic_entropy/paper/counts": _entropy("paper", "counts"),
        "semantic_entropy/paper/mean": _entropy("paper", "likelihood", "mean"),
        "semantic_entropy/paper/sum": _entropy("paper", "likelihood", "sum"),
        "semantic_entropy/shannon/counts": _entropy("shannon", "counts"),
        "semantic_entropy/shannon/mean": _entropy("shannon", "likelihood", "mean"),
        "semantic_entropy/shannon/sum": _entropy("shannon", "likelihood", "sum"),
        "semantic_entropy/monte_carlo": monte_carlo,
        "num_classes": num_classes,
        "minority_share": minority_share,
        "pair_disagreement": pair_disagreement,
        "token_entropy": token_entropy,
        "predictive_entropy": predictive_entropy,
        "num_tokens": num_tokens,
    }.items()
}
"""Estimators by name; `mean` and `sum` weigh classes by likelihood, a completion's being the mean or the sum of its
log-probabilities"""
