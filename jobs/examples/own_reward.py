"""A graded reward: 1 for a right answer, up to 0.2 more for a brief one, and 0.1 for the form, right or wrong."""


def graded(group, *, target=24, brevity=0.2, form=0.1):
    """One number a completion; None would say that nothing is known of it."""
    rewards = []
    for completion in group.completions:
        right = completion.verdict == "correct"
        tokens = len(completion.token_ids)
        brief = min(1.0, target / max(tokens, 1))
        formed = completion.text.count("\\boxed{") == 1 and completion.text.rstrip().endswith("}")
        rewards.append(right + right * brevity * brief + form * formed)
    return rewards


def short_steps(completion, problem):
    """A reward of one completion at a time: the share of its steps that are no longer than the problem."""
    steps = completion.text.split()
    return sum(len(step) <= len(problem.text) + 4 for step in steps) / max(len(steps), 1)
