"""A user's own relations, extractions, scales, advantages and entropies, some of them faulty."""

import time


def lower(answer):
    """A form: letters of either case mean the same."""
    return answer.lower()


def form_by_text(answer):
    """A form of all answers but those that say how to fail."""
    if answer == "hang":
        time.sleep(60)
    if answer == "raise":
        raise KeyError("own fault")
    return 7 if answer == "number" else answer.lower()


def begins(first, second):
    """Not symmetric: the second begins as the first."""
    if "hang" in (first, second):
        time.sleep(60)
    if "raise" in (first, second):
        raise KeyError("own fault")
    return second.startswith(first)


def strict(first, second):
    return int(first) == int(second)


def likeness(first, second):
    """A number where a truth is asked for, which would be true of all."""
    return 0.25


def three(first, second, third): ...


def last_word(completion):
    """An extraction."""
    if "hang" in completion:
        time.sleep(60)
    if "raise" in completion:
        raise KeyError("own fault")
    if "number" in completion:
        return 7
    return completion.split()[-1] if completion.split() else None


def scale_of_two(x, config):
    return 2.0


def scale_beyond(x, config):
    """Out of range for uncertain prompts only."""
    return 1.0 + x


def no_scale(x, config):
    return float("nan")


def squares(rewards):
    return rewards**2 - (rewards**2).mean()


def too_few(rewards):
    return rewards[1:]


def infinite(rewards):
    return rewards / 0.0


def fault_of_advantage(rewards):
    raise KeyError("own fault")


def no_entropy(log_mass):
    return float("nan")


def high_entropy(log_mass):
    return 100.0


def low_entropy(log_mass):
    return -1.0
