"""Spelling: from the many ways to write an answer down to the one that the tokens are cut from.

In this order: characters, styling, notations. Each consumes and produces text; none knows tokens or any grammar.
"""
