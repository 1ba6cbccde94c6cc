"""Answers that are chemical formulas mean the same where they count the same atoms: CH3COOH, C2H4O2 and HO2C-CH3."""

import re
from collections import Counter


def atoms(answer):
    """The form of an answer: its atoms in alphabetical order. Equal forms mean the same."""
    levels, last = [Counter()], Counter()
    for element, opening, closing, number in re.findall(r"([A-Z][a-z]?)|([(\[])|([)\]])|(\d+)", answer):
        if opening:
            levels.append(Counter())
        elif number:  # what it multiplies is there once already
            levels[-1].update({name: count * (int(number) - 1) for name, count in last.items()})
        else:
            last = levels.pop() if closing and len(levels) > 1 else Counter([element] if element else [])
            levels[-1].update(last)
    return " ".join(f"{name}{count}" for name, count in sorted(levels[0].items())) or answer


def formula(completion):
    """The final answer of a completion: its last word that begins like a formula."""
    return next((word for word in reversed(completion.split()) if re.match(r"[(\[]?[A-Z]", word)), None)
