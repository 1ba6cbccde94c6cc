"""Reading: from the text of an answer to nodes.

In this order: latex (with spelling, tokens and arranging), then grammar, which asks the others.
"""
