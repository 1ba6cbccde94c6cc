r"""From the LaTeX (or plain text) of an answer to tokens, by pylatexenc.

Consumes one answer as written; produces a list of `Token`, with everything gone that only lays out: dollar signs,
`\left`, `\!`, `\displaystyle`, a full stop at the end. `pylatexenc` finds commands, their arguments, groups and
environments; text without a backslash needs none of that. It does not know any grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pylatexenc import latexwalker
from pylatexenc.macrospec import LatexContextDb, std_environment, std_macro

from seed_grpo.verify.limits import MAX_DEPTH, BoundReachedError, GrammarError, check_length
from seed_grpo.verify.reading.tokens import CLOSING, OPENING, Token, scan

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2013\u2014", "-"),
        **dict.fromkeys("\u00d7\u22c5\u00b7", r"\times "),
        **dict.fromkeys("\xa0\u2009\u202f\t\r\n\x0b\x0c", " "),
        **dict.fromkeys("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff\x00", ""),
        **dict.fromkeys("\u2018\u2019\u2032", "'"),
        "\u00b2": "^2", "\u00b3": "^3", "\u00bd": r"\frac12 ", "\u00bc": r"\frac14 ", "\u00be": r"\frac34 ",
        "\u00f7": "/", "\u03c0": r"\pi ", "\u221e": r"\infty ", "\u221a": r"\sqrt ", "\u00b0": r"^\circ ",
        "\u2264": r"\le ", "\u2265": r"\ge ", "\u2260": r"\ne ", "\u222a": r"\cup ", "\u2205": r"\emptyset ",
        "\u00b1": r"\pm ", "\u2208": r"\in ", "\u2229": r"\cap ", "\u2216": r"\setminus ", "\u211d": r"\mathbb{R}",
        "\u03b1": r"\alpha ", "\u03b2": r"\beta ", "\u03b8": r"\theta ", "\u2248": r"\approx ", "\u20ac": r"\euro ",
        "\u00a3": r"\pounds ", "\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\uff0c": ",", "\uff1b": ";",
    }
)  # fmt: skip
_LAYOUT = re.compile(
    r"(?<!\\)(?:\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|quad|qquad|"
    r"enspace|thinspace|medspace|[hv]space\*?\{[^{}]*\}|phantom\{[^{}]*\})(?![a-zA-Z])\.?|\\[!,;:>$ ()\[\]])|[$~]"
)
_ROW_SPACING = re.compile(r"\\\\\s*\[-?[\d.]+ ?(?:ex|em|pt|cm|mm)\]")
_THOUSANDS = re.compile(r"(?<![\d.,}])\d{1,3}(?:(?:\s?\{\s?,\s?\}\s?|,\\!\s?|\\,|\\ | )\d{3})+(?![\d,]| \d)", re.A)
_ESCAPED = re.compile(r"\\\\(?=[a-zA-Z])")
_JOINT = re.compile(r"(?<=[\d)\]}])(or|and)(?=[A-Z(\\\d])")
_WRAPPED = re.compile(r"(?:\\n|\s)*\\begin\{(?:align|equation|gather)\*?\}|\\end\{(?:align|equation|gather)\*?\}")
_SYNONYMS = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\cdot": "*", r"\times": "*", r"\ast": "*",
    r"\div": "/", r"\leq": "<=", r"\le": "<=", r"\leqslant": "<=", r"\geq": ">=", r"\ge": ">=", r"\geqslant": ">=",
    r"\lt": "<", r"\gt": ">", r"\neq": "!=", r"\ne": "!=", r"\%": "%", r"\lbrace": r"\{", r"\rbrace": r"\}",
    r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\varnothing": r"\emptyset", r"\infin": r"\infty",
    r"\degree": r"\circ", r"\tbinom": r"\binom", r"\dbinom": r"\binom", r"\lbrack": "[", r"\rbrack": "]",
    r"\backslash": r"\setminus", r"\colon": ":", r"\bmod": r"\mod", r"\pmod": r"\mod", r"\exponentialE": "e",
    r"\imaginaryI": "i", r"\R": r"\Reals", r"\&": "&", r"\euro": "€", r"\pounds": "£", r"\simeq": r"\approx",
    r"\lparen": "(", r"\rparen": ")", r"\longrightarrow": r"\to", r"\rightarrow": r"\to", r"\Rightarrow": r"\to",
    r"\Longrightarrow": r"\to", r"\varphi": r"\phi", r"\varepsilon": r"\epsilon", r"\prime": "'", r"\ldots": r"\dots",
    r"\cdots": r"\dots", r"\land": r"\wedge", r"\lor": r"\vee", r"\_": "_", r"\lang": r"\langle", r"\rang": r"\rangle",
}  # fmt: skip
_TEXTS = (
    *("text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "mbox", "hbox", "mathrm", "mathbf"),
    *("mathit", "mathsf", "mathtt", "operatorname", "boldsymbol", "bm", "textup", "text*"),
)
_EMPHASES = ("textbf", "textit", "mathbf", "mathit", "boldsymbol", "bm")
"""in which a single letter is a symbol, and not a unit or a word"""
_TWO_ARGUMENTS = ("frac", "dfrac", "tfrac", "cfrac", "binom", "tbinom", "dbinom")
_ONE_ARGUMENT = (
    *("boxed", "fbox", "overline", "underline", "bar", "vec", "hat", "widehat", "tilde", "dot", "ddot"),
    *("mathbb", "mathcal"),
)
_MATRICES = ("matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array", "cases", "dcases", "rcases")


def _context() -> LatexContextDb:
    context = LatexContextDb()
    context.add_context_category(
        "answers",
        macros=[
            *(std_macro(name, False, 1) for name in (*_TEXTS, *_ONE_ARGUMENT)),
            *(std_macro(name, False, 2) for name in _TWO_ARGUMENTS),
            std_macro("sqrt", True, 1),
        ],
        environments=[std_environment(name, "{" if name == "array" else "") for name in _MATRICES],
        specials=[],
    )
    return context


_CONTEXT = _context()


def tidy(text: str) -> str:
    """The text without what only lays out; equal texts after this are the same answer.

    Raises:
        BoundReachedError: the text is too long.
    """
    check_length(text)
    text = text.translate(_CHARACTERS).replace("{:}", ":").replace("+/-", r"\pm ")
    text = _ROW_SPACING.sub(r"\\\\ ", text) if "\\begin" in text else _ESCAPED.sub(r"\\", text)
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match.group()), text)
    if "\\" in text or "$" in text or "~" in text:
        text = _LAYOUT.sub(" ", _WRAPPED.sub(" ", text.replace("\\$", r" \dollar ").replace(r"\\%", r"\%")))
    text = " ".join(_JOINT.sub(r" \1 ", text).split()).rstrip(" \\")
    ended = text.rstrip(" .")
    return ended + "..." if text.endswith("...") and ended else ended


def tokenize(text: str) -> list[Token]:
    """Tokens of a tidy text.

    Raises:
        BoundReachedError: a number has too many digits, or groups are nested too deep.
        GrammarError: it is no LaTeX: brackets or environments are not balanced, an argument is missing.
    """
    tokens: list[Token] = []
    if "\\" not in text:
        scan(text, tokens, 0)
        return tokens
    _check_depth(text)
    try:
        walker = latexwalker.LatexWalker(_uncommented(text), latex_context=_CONTEXT, tolerant_parsing=False)
        nodes = walker.get_latex_nodes()[0]
    except latexwalker.LatexWalkerError as error:
        raise GrammarError(f"no LaTeX: {str(error)[:80]}") from None
    except RecursionError:
        raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep") from None
    _flatten(nodes, tokens, 0)
    return tokens


def _check_depth(text: str) -> None:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth > MAX_DEPTH:
            raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep")


def _uncommented(text: str) -> str:
    """A bare per cent sign starts no comment here, and a hash sign no parameter."""
    return re.sub(r"(?<!\\)%", r"\\%", text)


def _flatten(nodes: Sequence, tokens: list[Token], brackets: int) -> int:
    for node in nodes:
        if node is None:
            continue
        if node.isNodeType(latexwalker.LatexCharsNode):
            brackets = scan(node.chars, tokens, brackets)
        elif node.isNodeType(latexwalker.LatexGroupNode):
            opening, closing = node.delimiters
            tokens.append(Token("sign", opening))
            _flatten(node.nodelist, tokens, brackets + 1)
            tokens.append(Token("sign", closing))
        elif node.isNodeType(latexwalker.LatexMacroNode):
            brackets = _flatten_macro(node, tokens, brackets)
        elif node.isNodeType(latexwalker.LatexEnvironmentNode):
            tokens.append(Token("environment", node.environmentname))
            _flatten(node.nodelist, tokens, brackets + 1)
            tokens.append(Token("environment", "end"))
        elif node.isNodeType(latexwalker.LatexSpecialsNode):
            brackets = scan(node.specials_chars, tokens, brackets)
    return brackets


def _flatten_macro(node: latexwalker.LatexMacroNode, tokens: list[Token], brackets: int) -> int:
    arguments = list(node.nodeargd.argnlist) if node.nodeargd is not None else []
    if node.macroname in _TEXTS:
        if not arguments:
            raise GrammarError(f"\\{node.macroname} without its text")
        _flatten_text(node.macroname, arguments[-1], tokens, brackets)
        return brackets
    command = "\\" + node.macroname
    value = _SYNONYMS.get(command, command)
    kind = "command" if value.startswith("\\") else "word" if value.isalpha() else "sign"
    tokens.append(Token(kind, value))
    for argument in arguments:
        if argument is None:
            continue
        if argument.isNodeType(latexwalker.LatexGroupNode):
            _flatten([argument], tokens, brackets)
        else:
            tokens.append(Token("sign", "{"))
            _flatten([argument], tokens, brackets + 1)
            tokens.append(Token("sign", "}"))
    return brackets + (value in OPENING) - (value in CLOSING)


def _flatten_text(macro: str, argument: latexwalker.LatexNode, tokens: list[Token], brackets: int) -> None:
    r"""Words become one token; what is written in \text{} without a word, as in \mathrm{5}, is read as usual."""
    content = argument.latex_verbatim()
    if content.startswith("{"):
        content = content[1:-1]
    content = " ".join(content.replace(r"\cdot", " ").split())
    is_letter = len(content) < 2 and macro in _EMPHASES
    if re.search(r"[a-zA-Z]", content) and not re.search(r"[\\(){}_,;]", content) and not is_letter:
        parts = (part.strip() for part in re.split(r"\b(and|or)\b", content))
        tokens.extend(Token("text", part) for part in parts if part)
    else:
        nodes = argument.nodelist if argument.isNodeType(latexwalker.LatexGroupNode) else [argument]
        _flatten(nodes, tokens, brackets)
