r"""Tokens of an answer in LaTeX or plain text, by pylatexenc.

Consumes one answer as written; produces a list of `Token`, with everything gone that only lays out: dollar signs,
`\left`, `\!`, `\displaystyle`, a full stop at the end. `pylatexenc` finds commands, their arguments, groups and
environments; text without a backslash needs none of that. It does not know any grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pylatexenc import latexwalker
from pylatexenc.macrospec import LatexContextDb, std_environment, std_macro

from seed_grpo.verify.isolation.bounds import MAX_DEPTH, BoundReachedError, GrammarError, check_depth, check_length
from seed_grpo.verify.math.reading.arranging import MAY_BE_ARRANGED, arranged
from seed_grpo.verify.math.reading.spelling.characters import as_latex
from seed_grpo.verify.math.reading.spelling.notations import rewritten, without_lead
from seed_grpo.verify.math.reading.spelling.styling import MAY_BE_STYLED, unstyled
from seed_grpo.verify.math.reading.tokens import CLOSING, OPENING, Token, scan
from seed_grpo.verify.math.reading.vocabulary import ACCENTS

_LAYOUT = re.compile(r"(?<!\\)(?:\\(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\.?|\\[!,;:>/$ ()\[\]])|[$~]")
_ROW_SPACING = re.compile(r"\\\\\s*\[-?[\d.]+ ?(?:ex|em|pt|cm|mm)\]")
_THOUSANDS = re.compile(r"(?<![\d.,}^_])\d{1,3}(?:(?:\s?\{\s?,\s?\}\s?|,\\!\s?|\\,|\\ | )\d{3})+(?![\d,]| \d)", re.A)
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
    **dict.fromkeys((r"\nicefrac", r"\sfrac", r"\xfrac", r"\flatfrac"), r"\frac"),
    **dict.fromkeys((r"\Bbb", r"\mathds", r"\mathbbm"), r"\mathbb"), r"\textsuperscript": "^", r"\textsubscript": "_",
}  # fmt: skip
_TEXTS = (
    *("text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "mbox", "hbox", "mathrm", "mathbf"),
    *("mathit", "mathsf", "mathtt", "operatorname", "boldsymbol", "bm", "textup", "text*", "textsc", "textsl"),
    *("textmd", "mathnormal", "pmb"),
)
_EMPHASES = ("textbf", "textit", "mathbf", "mathit", "boldsymbol", "bm", "mathnormal", "pmb")
"""commands in which a single letter is a symbol, and not a unit or a word"""
_BOLD = ("textbf", "mathbf", "boldsymbol", "bm", "pmb")
"""commands in which i, j and k are unit vectors"""
_TWO_ARGUMENTS = (
    *("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "xfrac", "flatfrac", "binom", "tbinom", "dbinom"),
)
_ONE_ARGUMENT = (*ACCENTS, "Bbb", "mathds", "mathbbm", "textsuperscript", "textsubscript")
_MATRICES = ("matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array", "cases", "dcases", "rcases")


def _context() -> LatexContextDb:
    context = LatexContextDb()
    context.add_context_category(
        "answers",
        macros=[
            *(std_macro(name, False, 1) for name in (*_TEXTS, *_ONE_ARGUMENT)),
            *(std_macro(name, False, 2) for name in _TWO_ARGUMENTS),
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
    text = as_latex(text).replace("+/-", r"\pm ")
    check_length(text)  # a character may stand for many
    text = _ROW_SPACING.sub(r"\\\\ ", text) if "\\begin" in text else _ESCAPED.sub(r"\\", text)
    text = rewritten(unstyled(text) if MAY_BE_STYLED.search(text) else text)
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match.group()), text)
    if "\\" in text or "$" in text or "~" in text:
        text = _LAYOUT.sub(" ", _WRAPPED.sub(" ", text.replace("\\$", r" \dollar ").replace(r"\\%", r"\%")))
    text = " ".join(_JOINT.sub(r" \1 ", text).split()).rstrip(" \\")
    text = without_lead(text)
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
        return arranged(tokens) if MAY_BE_ARRANGED.search(text) else tokens
    _check_braces(text)
    try:
        walker = latexwalker.LatexWalker(_uncommented(text), latex_context=_CONTEXT, tolerant_parsing=False)
        nodes = walker.get_latex_nodes()[0]
    except latexwalker.LatexWalkerError as error:
        raise GrammarError(f"no LaTeX: {str(error)[:80]}") from None
    except RecursionError:
        raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep") from None
    _flatten(nodes, tokens, 0)
    return arranged(tokens) if MAY_BE_ARRANGED.search(text) else tokens


def _check_braces(text: str) -> None:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        check_depth(depth)


def _uncommented(text: str) -> str:
    """Escapes bare per cent signs, which start no comment here."""
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
    r"""Appends the tokens of a text command.

    Words become one token. What is written in \text{} without a word, as in \mathrm{5}, is read as usual.
    """
    content = argument.latex_verbatim()
    if content.startswith("{"):
        content = content[1:-1]
    content = " ".join(content.replace(r"\cdot", " ").split())
    is_letter = len(content) < 2 and macro in _EMPHASES
    if macro in _BOLD and content in ("i", "j", "k"):
        tokens.append(Token("name", f"unit {content}"))
    elif re.search(r"\A(?!\d).*[a-zA-Z]", content) and not re.search(r"[\\(){}_,;]", content) and not is_letter:
        parts = (part.strip() for part in re.split(r"\b(and|or)\b", content))
        tokens.extend(Token("text", part) for part in parts if part)
    else:
        nodes = argument.nodelist if argument.isNodeType(latexwalker.LatexGroupNode) else [argument]
        _flatten(nodes, tokens, brackets)
