"""Few-shot examples: solved problems that stand before every problem in its prompt.

Consumes `data.examples`, a file of records as any other; produces pairs of a problem and its answer as it is written.
A problem that is one of the examples is to be left out, since its prompt holds its answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.data.survey import normal_text
from seed_grpo.errors import DataError
from seed_grpo.messages import Problem


def load_examples(config: DataConfig) -> list[Problem]:
    """Reads the examples; none where the configuration has none.

    Raises:
        DataError: the file is missing, a record is malformed, or one is a conversation of several turns.
    """
    if config.examples is None:
        return []
    source = DataConfig(**dict(config.examples), directory=config.directory)
    examples = load_problems(source, as_written=True).problems
    for example in examples:
        if len(example.turns) > 1:
            raise DataError(
                f"data.examples.source={config.examples.source}: {example.id!r} is a conversation of "
                f"{len(example.turns)} turns; an example is one problem and its answer"
            )
    return examples


def as_pairs(examples: Sequence[Problem]) -> tuple[tuple[str, str], ...]:
    """The problems and answers, as templates get them."""
    return tuple((example.text, example.answers[0]) for example in examples)


def without_examples(problems: Sequence[Problem], examples: Sequence[Problem]) -> list[Problem]:
    """The problems that are none of the examples, however their texts are laid out."""
    known = {normal_text(example) for example in examples}
    return [problem for problem in problems if normal_text(problem) not in known]
