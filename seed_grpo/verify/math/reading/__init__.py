"""Reading: from the text of an answer to nodes.

In this order: latex, tokens, atoms, expressions, operators, brackets, cases, grammar, signs, statements.
"""
