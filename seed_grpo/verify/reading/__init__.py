"""Reading: from the text of an answer to nodes, in the order latex, tokens, atoms, expressions, grammar, statements."""
