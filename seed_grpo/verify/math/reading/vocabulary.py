r"""The words and signs of answers: names, accents, sets of numbers, brackets, and what each is to the grammar.

Tables only, which the grammar and the steps before it share. A further notation often is one entry here.
"""

from __future__ import annotations

from seed_grpo.verify.math.reading.tokens import Token

CONSTANTS = {"pi": "pi", "infty": "infinity", "infinity": "infinity", "inf": "infinity", "e": "e", "i": "i", "I": "i"}
ACCENTS = {
    **{name: name for name in ("vec", "hat", "tilde", "dot", "ddot", "breve", "check", "mathring")},
    **{name: name for name in ("mathbb", "mathcal")},
    **{"overline": "bar", "bar": "bar", "widehat": "hat", "overrightarrow": "vec", "widetilde": "tilde"},
    **{"mathfrak": "mathfrak", "mathscr": "mathcal", "overarc": "hat", "overparen": "hat", "wideparen": "hat"},
    **{"overleftrightarrow": "line"},
}
"""accents over a name, and alphabets that it is in, as a part of the name"""
SYMBOLS = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "digamma"),
    *("varepsilon", "vartheta", "varpi", "varrho", "varsigma", "varphi", "varkappa"),
    *("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda", "Mu", "Nu"),
    *("Xi", "Omicron", "Pi", "Rho", "Sigma", "Tau", "Upsilon", "Phi", "Chi", "Psi", "Omega"),
    *("varGamma", "varDelta", "varTheta", "varLambda", "varXi", "varPi", "varSigma", "varPhi", "varPsi", "varOmega"),
    *("ell", "hbar", "hslash", "imath", "jmath", "aleph", "beth", "wp", "mho", "eth", "nabla", "partial"),
}
"""commands that are names of their own; an answer with one that nobody knows is no mathematics"""
NUMBER_SETS = ("N", "Z", "Q", "R", "C", "F", "H")
r"""letters that stand for sets of numbers in \mathbb; \mathbb{E} and \mathbb{P} are functions"""
PERCENT = ("%", "percent", "percentage", "pct")
PREFIXES = (r"\Delta", r"\delta", r"\partial")
"""commands that make one name with the letter behind them"""
ENDS_OF_PRODUCTS = (
    *(r"\cup", r"\cap", r"\in", r"\notin", r"\setminus", r"\\", r"\{", r"\}", "\\", r"\mod", r"\to", r"\pm", r"\mp"),
    *(r"\rfloor", r"\rceil", r"\rangle", r"\langle", r"\|", r"\approx", r"\circ", r"\equiv"),
)
"""commands at which a product ends"""
FUNCTION_NAMES = "fghFGH"
"""letters that stand for functions when a bracket follows"""
VARIABLES = "xyz"
"""letters that stand for functions where only a letter or a number is in the bracket"""
FENCES = {"(": ")", "[": "]", "{": "}", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
"""brackets around an expression, by what opens them"""
SIGNS = ("=", "<", ">", "<=", ">=", "!=", r"\in", r"\approx")
"""signs between the sides of a relation"""
SET_OPERATIONS = (r"\cup", r"\cap", r"\setminus")
OPERATORS = (r"\sum", r"\prod", r"\lim", r"\int")
"""commands that bind a variable"""
SCALARS = {r"\det": "det", "det": "det", "tr": "trace", "trace": "trace", "Tr": "trace"}
"""signs that make a number of a matrix"""
QUANTIFIERS = (Token("text", "all"), Token("text", "for all"), Token("command", r"\forall"))
"""quantifiers, which before an inequality add nothing"""
SHORT_SETS = {rf"\{letter}": letter for letter in NUMBER_SETS if letter not in "FH"} | {r"\Reals": "R"}
SUBSETS = {
    "+": ">0", "{+}": ">0", "-": "<0", "{-}": "<0", "{>0}": ">0", "{<0}": "<0", "{>=0}": ">=0", "{<=0}": "<=0",
    "*": "!=0", "{*}": "!=0", "{!=0}": "!=0",
}  # fmt: skip
"""sub- and superscripts that leave out some elements"""
SAME_SETS = {"N >0": "Z >0", "N !=0": "Z >0", "N_0": "Z >=0"}
"""two names of one set; whether 0 is in N itself, authors differ"""
SET_MARKS = {r"\mathbb", "Z", *SHORT_SETS}
"""signs of which every structure has one"""
SET_PRODUCTS = ("*", r"\oplus")
