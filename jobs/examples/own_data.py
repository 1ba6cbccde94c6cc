"""A template and a reward for data that lies around: conversations of TRL's form, and a column of verl's."""


def dialogue(conversation, config, tokenizer):
    """The prompt of a conversation, a line a turn; the policy goes on behind the last."""
    lines = [f"{role}: {text}" for role, text in conversation.turns]
    return "\n".join([*lines, "answer: "])


def carrying(completion, problem, *, bonus=0.5):
    """A right answer earns 1, and more where the problem's record says that it has a carry."""
    carries = problem.record["extra_info"]["carries"]
    return (1.0 + bonus * carries) * (completion.verdict == "correct")
