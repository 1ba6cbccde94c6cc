r"""Unicode as LaTeX: `2⁵` is `2^{5}`, `∛8` is `\sqrt[3] 8`, `½` is `\frac{1}{2}`, full-width digits are digits.

Consumes and produces text. What has no LaTeX that the grammar reads stays as it is.
"""

from __future__ import annotations

import re
import unicodedata


def _table() -> dict[int, str]:
    """The LaTeX of single characters."""
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # full width
    for code in range(0x1D400, 0x1D800):  # mathematical letters and digits
        plain = unicodedata.normalize("NFKC", chr(code))
        table[code] = _GREEK.get(plain, plain)
    table.update((code, rf"\mathbb{{{chr(code - 0x1D538 + 65)}}}") for code in range(0x1D538, 0x1D551))
    for characters, written in _WRITTEN.items():
        table.update((ord(character), written) for character in characters)
    table.update((ord(letter), command) for letter, command in _GREEK.items())
    for character in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒":
        above, below = unicodedata.normalize("NFKC", character).split("\u2044")
        table[ord(character)] = rf"\frac{{{above}}}{{{below}}} "
    return table


_SMALL = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
    *("sigma", "theta", "phi", "pi", "rho", "epsilon"),
)
_CAPITAL = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
_GREEK = {
    letter: rf"\{name} "
    for letter, name in zip(
        "αβγδεζηθικλμνξπρστυφχψωςϑϕϖϱϵΓΔΘΛΞΠΣΥΦΨΩ∂∇",
        (*_SMALL, *_CAPITAL, "partial", "nabla"),
        strict=True,
    )
}
_WRITTEN = {
    "\u2212\u2010\u2011\u2012\u2013\u2014\u2015": "-",
    "\u00d7\u2715\u2a2f\u22c5\u00b7\u2219\u2217": r"\times ", "\u00f7\u2215\u2044": "/",
    "\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000": " ",
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff": "",
    "\u2018\u2019\u2032\u02b9": "'", "\u2033": "''", "\u2034": "'''",
    "\u2026": "...", "\u22ef": r"\cdots ", "\u221e": r"\infty ", "\u00b0\u02da": r"^\circ ",
    "\u2103": r"^\circ C", "\u2109": r"^\circ F", "\u221a": r"\sqrt ", "\u221b": r"\sqrt[3] ", "\u221c": r"\sqrt[4] ",
    "\u2264\u2266\u2a7d": r"\le ", "\u2265\u2267\u2a7e": r"\ge ", "\u2260": r"\ne ", "\u2248\u2243\u2252": r"\approx ",
    "\u2261": r"\equiv ", "\u00b1": r"\pm ", "\u2213": r"\mp ", "\u222a": r"\cup ", "\u2229": r"\cap ",
    "\u2205\u2300": r"\emptyset ", "\u2208": r"\in ", "\u2209": r"\notin ", "\u2216\u29f5": r"\setminus ",
    "\u2282": r"\subset ", "\u2286": r"\subseteq ", "\u2200": r"\forall ", "\u2203": r"\exists ",
    "\u00ac": r"\neg ", "\u2227": r"\wedge ", "\u2228": r"\vee ", "\u2192\u27f6\u21d2\u27f9": r"\to ",
    "\u2234": r"\therefore ", "\u2211": r"\sum ", "\u220f": r"\prod ", "\u222b": r"\int ",
    "\u230a": r"\lfloor ", "\u230b": r"\rfloor ", "\u2308": r"\lceil ", "\u2309": r"\rceil ",
    "\u27e8\u2329\u3008": r"\langle ", "\u27e9\u232a\u3009": r"\rangle ", "\u2223\u2502": "|", "\u2236": ":",
    "\u2220\u2221": r"\angle ", "\u25b3": r"\triangle ", "\u2206": r"\Delta ", "\u2295": r"\oplus ",
    "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}", "\u2115": r"\mathbb{N}", "\u211a": r"\mathbb{Q}",
    "\u2102": r"\mathbb{C}", "\u2119": r"\mathbb{P}", "\u210d": r"\mathbb{H}",
    "\u2113": r"\ell ", "\u210f": r"\hbar ", "\u2147\u212f": "e", "\u2148": "i", "\u210e": "h",
    "\u00ee": r"\hat{i}", "\u0135": r"\hat{j}", "\u20ac": r"\euro ", "\u00a3": r"\pounds ", "\u00a2": r"\text{ cents}",
    "\u3001": ",", "\u220e\u25a0": r"\blacksquare ", "\u2713\u2714": r"\checkmark ",
}  # fmt: skip
_CHARACTERS = _table()
_CONTROLS = str.maketrans({**dict.fromkeys("\t\r\n\x0b\x0c", " "), "\x00": ""})

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_FRACTION = re.compile(rf"([{_RAISED[:10]}]+)[\u2044/]([{_LOWERED[:10]}]+)")
_ROOT = re.compile(rf"(?<![\w)\]}}])([{_RAISED[:10]}ⁿ]+)\u221a")
_RAISED_RUN = re.compile(rf"[{_RAISED}]+")
_LOWERED_RUN = re.compile(rf"[{_LOWERED}]+")
_OVER_DIGITS = re.compile("(?:[0-9][\u0304\u0305])+")
_DOTTED = re.compile("([0-9])\u0307")
_ORDINAL_DEGREE = re.compile("(?<=[0-9])\u00ba")


def _plain(characters: str) -> str:
    return unicodedata.normalize("NFKC", characters).replace("\u2212", "-")


def as_latex(text: str) -> str:
    """The text with its Unicode mathematics in LaTeX and its control characters gone."""
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_CONTROLS)
    if text.isascii():
        return text
    text = _FRACTION.sub(lambda match: rf"\frac{{{_plain(match[1])}}}{{{_plain(match[2])}}} ", text)
    text = _ROOT.sub(lambda match: rf"\sqrt[{_plain(match[1])}] ", text)
    text = _RAISED_RUN.sub(lambda match: f"^{{{_plain(match[0])}}}", text)
    text = _LOWERED_RUN.sub(lambda match: f"_{{{_plain(match[0])}}}", text)
    text = _OVER_DIGITS.sub(lambda match: rf"\overline{{{re.sub('[^0-9]', '', match[0])}}}", text)
    text = _ORDINAL_DEGREE.sub(r"^\\circ ", _DOTTED.sub(r"\\dot{\1}", text))
    return text.translate(_CHARACTERS).replace("k\u0302", r"\hat{k}")
