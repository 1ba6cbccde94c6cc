"""`seed-grpo judge`: tells if two answers mean the same, and which rule decided it."""

from __future__ import annotations

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.evaluate.answers import explain


def judge(prediction: str, reference: str, config: VerifierConfig) -> None:
    """Prints the verdict on a prediction, both answers as they were parsed, and the rule.

    Raises:
        VerifierError: the bounded process cannot be started.
    """
    first, second = explain(prediction, reference, config)
    print(f"verdict     {first.verdict}")
    print(f"prediction  {first.parsed}")
    print(f"reference   {second.parsed}")
    print(f"decided by  {first.rule}, in {1000 * first.seconds:.1f} ms")
