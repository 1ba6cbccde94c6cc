r"""Notations: pairs that mean the same and pairs that do not, by the kind of writing, each value worked out by hand.

The examples of the issue on strangers' inputs stand first in each kind; the rest are others of the kind.
"""

import pytest

from judging import verdict
from seed_grpo.messages import Verdict

# period of n digits p: p / (10^n - 1)
REPEATING = (
    [
        ("0.(3)", r"\frac13"), ("2.(3)", r"\frac73"), (r"0.\dot{3}", r"\frac13"), (r"0.\dot 3", r"\frac13"),
        (r"0.\dot{1}4285\dot{7}", r"\frac17"), (r"0.1\overline{6}", r"\frac16"), (r"0.\overline{142857}", r"\frac17"),
        ("0.3\u0305", r"\frac13"), ("0.1\u03054\u03052\u03058\u03055\u03057\u0305", r"\frac17"), ("0.3\u0307", r"\frac13"),
        ("1.2(34)", r"\frac{611}{495}"), (r".\overline{3}", r"\frac13"), ("0.333...", r"\frac13"),
        (r"0.1666\ldots", r"\frac16"), (r"0.\overline 3", r"\frac13"), (r"0.\bar{3}", r"\frac13"), ("0.999...", "1"),
        (r"12.\dot{3}\dot{6}", r"\frac{136}{11}"), ("-0.(6)", r"-\frac23"), (r"0.\overline{3}^2", r"\frac19"),
        (r"33.\overline{3}\%", r"\frac{100}{3}\%"), ("x = 0.(3)", r"\frac13"), (r"0.\overline{09}", r"\frac1{11}"),
        ("0.5(4)", r"\frac{49}{90}"), ("0,(3)", r"\frac13"), (r"0{,}1\overline{6}", r"\frac16"), (".(3)", r"\frac13"),
        ("0.142857142857...", r"\frac17"), (r"0.\overset{.}{3}", r"\frac13"), (r"1.\overline{3}\text{ cm}", r"\frac43\text{ cm}"),
        (r"0.\overline{3}\ldots", r"\frac13"), ("0.3333\u2026", r"\frac13"), (r"5+0.(3)", r"\frac{16}3"),
        # with a space, a power or no decimals it is a factor
        ("2(3)", "6"), ("0.5 (4)", "2"), ("2.5(10)^3", "2500"), ("1.5(x+1)", "1.5x+1.5"), (r"2.5\left(4\right)", "10"),
    ],
    [
        ("0.(3)", "0"), ("2.(3)", "6"), (r"0.\dot{3}", "0"), ("0.5(4)", "2"), ("1.2(34)", "40.8"), ("0.333...", "0.333"),
        (r"0.\overline{3}", "0.3"), (r"0.\overline{36}", r"0.3\overline{6}"), (r"0.\dot{3}6", r"0.\dot{3}\dot{6}"),
        ("0.1(6)", "0.6"), ("0.(9)", "0.9"), ("f(3)", "3f"), (r"0.\overline36", r"\frac{4}{11}"), (r"0.\overline36", "2"),
        ("2.718281828...", "e"), ("3.1415...", r"\pi"), ("3.14...", "3.14"),
    ],
)  # fmt: skip

CAPITALS = (
    [
        (r"\angle ABC", r"\angle CBA"), (r"\angle ABC", "ABC"), (r"\angle CBA", "CBA"), (r"\triangle ABC", r"\triangle BCA"),
        (r"\triangle ABC", "ABC"), (r"m\angle ABC", r"\angle ABC"), (r"\widehat{ABC}", r"\angle ABC"), ("AB", "BA"),
        ("AB", r"A \cdot B"), ("AB", r"B \cdot A"), (r"\overline{AB}", r"\overline{BA}"), (r"\overline{AB}", "AB"),
        ("AB + BC", "CB + BA"), ("V = IR", r"V = I \cdot R"), (r"\frac{1}{RCs+1}", r"\frac{1}{1+sCR}"), ("2AB", "2BA"),
        (r"\frac{PRT}{100}", r"\frac{P R T}{100}"), ("PRT", r"P \cdot R \cdot T"), (r"\text{HHT}", "HHT"),
        (r"\{HHT, HTH\}", r"\{HTH, HHT\}"), ("H H T", "HHT"), (r"\angle ABC = 30^\circ", r"30^\circ"), ("∠ABC", r"\angle CBA"),
        (r"\frac{RPT}{100}", r"\frac{PRT}{100}"), (r"\overrightarrow{AB}", r"\vec{AB}"), ("AB = 5", "BA = 5"),
        (r"\overleftrightarrow{AB}", r"\overleftrightarrow{BA}"), ("MV^2", r"M \cdot V^2"), ("5 KM", "5 km"),
    ],
    [
        ("HHT", "HTH"), ("HHT", "THH"), (r"\angle ABC", r"\angle BAC"), (r"\angle ABC", r"\angle ACB"), ("ABC", "BAC"),
        ("H H T", "H T H"), ("ABCD", "ACBD"), (r"\{HHT, HTH\}", r"\{HHT, THH\}"), ("XIV", "XVI"), ("IV", "VI"), ("IX", "XI"),
        (r"\overrightarrow{AB}", r"\overrightarrow{BA}"), (r"\vec{AB}", r"\vec{BA}"), (r"\frac{AB}{BC}", r"\frac{AD}{DC}"),
        (r"\frac{AB}{AC}", r"\frac{B}{C}"), ("ASA", "AAS"), (r"\text{HHT}", r"\text{HTH}"), (r"\widehat{ABC}", r"\widehat{BAC}"),
        (r"\triangle ABC", r"\triangle ABD"), (r"\triangle ABC \cong \triangle DEF", r"\triangle ABC \cong \triangle EDF"),
        ("P(HHT)", "P(HTH)"), ("HHT, TTH", "HHT, THT"), (r"\angle ABC", r"\triangle ABC"), (r"AB \parallel CD", r"AC \parallel BD"),
        ("IV", "4V"), ("HT", "H+T"), ("HT", "TH"), (r"\angle AOB = 30", r"\angle OAB = 30"),
    ],
)  # fmt: skip

STRUCTURES = (
    [
        (r"\mathbb{Z}/6\mathbb{Z}", r"\mathbb{Z}_6"), (r"\mathbb Z / 6 \mathbb Z", r"\mathbb{Z}/6\mathbb{Z}"), ("Z/6Z", r"\mathbb{Z}_6"),
        (r"\mathbb{Z}_6", "C_6"), (r"\mathbb{R}^+", r"(0,\infty)"), (r"\mathbb{R}_{\ge 0}", r"[0,\infty)"), (r"\mathbb{R}", r"(-\infty,\infty)"),
        (r"\mathbb{R}\setminus\{0\}", r"\mathbb{R}^*"), (r"\mathbb{R}^2", r"\mathbb{R}\times\mathbb{R}"), ("ℝ", r"\mathbb{R}"),
        (r"\mathbb{Z}_2\times\mathbb{Z}_3", r"\mathbb{Z}/3\mathbb{Z}\times\mathbb{Z}/2\mathbb{Z}"), (r"\mathbb Q", r"\mathbb{Q}"),
        (r"\mathbb{Z}^+", r"\mathbb{Z}_{>0}"), (r"(\mathbb{Z}/6\mathbb{Z})^\times", r"(\mathbb{Z}/6\mathbb{Z})^*"), ("ℤ⁺", r"\mathbb{Z}^{+}"),
        (r"\mathbb{R}^n", r"\mathbb{R}^{n}"), (r"\mathbb{Z}/n\mathbb{Z}", r"\mathbb{Z}_n"), (r"\mathbf{x} \in \mathbb{R}", r"\mathbf{x} \in \mathbb R"),
        (r"S_3 \times \mathbb{Z}_2", r"\mathbb{Z}_2 \times S_3"), (r"\mathbb{Z}\setminus\{0\}", r"\mathbb{Z} \setminus \{ 0 \}"),
        (r"\mathbb{Z}/(6)", r"\mathbb{Z}/6"), (r"x\in\mathbb{Z}", r"\mathbb{Z}"), (r"\mathbb{R}^-", r"(-\infty, 0)"),
    ],
    [
        (r"\mathbb{Z}/6\mathbb{Z}", r"\frac16"), ("Z/6Z", r"\frac16"), (r"\mathbb{Z}/6\mathbb{Z}", r"\mathbb{Z}/3\mathbb{Z}"),
        (r"\mathbb{R}^2", r"\mathbb{R}^3"), (r"\mathbb{R}", r"\mathbb{Q}"), (r"\mathbb{R}^+", r"\mathbb{R}"), (r"\mathbb{Z}^+", r"\mathbb{Z}"),
        (r"\mathbb{R}\setminus\{0\}", r"\mathbb{R}"), (r"2\mathbb{Z}", r"\mathbb{Z}"), (r"\mathbb{Z}_2\times\mathbb{Z}_2", r"\mathbb{Z}_4"),
        (r"\mathbb{Q}/\mathbb{Z}", r"\mathbb{R}/\mathbb{Z}"), (r"\frac{\mathbb{Z}}{6\mathbb{Z}}", r"\frac16"), (r"\mathbb{Z}_2 \times \mathbb{Z}_3", r"\mathbb{Z}_2 + \mathbb{Z}_3"),
        (r"\mathbb{R}^+", r"[0,\infty)"), (r"\mathbb{Z}^2/\mathbb{Z}", r"\mathbb{Z}"), (r"\mathbb{R}-\mathbb{R}", "0"), (r"\mathbb{R}_+", r"\mathbb{R}_-"),
        (r"\mathbb{R}^+", r"\mathbb{R}^-"), (r"3\mathbb{Z}/6\mathbb{Z}", r"\frac12"), ("S_3", "S_4"), ("C_6", r"\mathbb{Z}_3"),
    ],
)  # fmt: skip

STYLING = (
    [
        (r"\underline{5}", "5"), (r"\nicefrac12", "0.5"), (r"\sfrac{1}{2}", r"\frac12"), (r"\tfrac12", r"\frac12"), (r"5\tag{1}", "5"),
        (r"\boldsymbol{5}", "5"), (r"\mathbf{x}", "x"), (r"\ensuremath{5}", "5"), (r"5\phantom{x}", "5"), (r"5\hphantom{0}", "5"),
        (r"5\label{eq}", "5"), (r"5\hspace{1cm}", "5"), (r"\small 5", "5"), (r"\displaystyle\frac12", r"\frac12"), (r"\Large 5", "5"),
        (r"\cfrac{1}{2}", r"\frac12"), (r"{\bf 5}", "5"), (r"5{\rm cm}", r"5\text{ cm}"), (r"\underline{5\text{ cm}}", r"5\text{ cm}"),
        (r"\underline{\text{even}}", "even"), (r"2\underline{(x+1)}", "2x+2"), (r"\underline{x+1}^2", "(x+1)^2"), (r"x=\underline{5}", "5"),
        (r"\underline{1}, \underline{2}", "1, 2"), (r"\underbrace{5}_{\text{sum}}", "5"), (r"5\quad\blacksquare", "5"), (r"5\,\checkmark", "5"),
        (r"\mathop{x}", "x"), (r"5\kern1em", "5"), (r"5\mkern3mu x", "5x"), (r"\emph{5}", "5"), (r"5\notag", "5"), (r"\smash{5}", "5"),
        (r"\textsc{Yes}", "yes"), (r"5\text{ cm}\textsuperscript{2}", r"5\text{ cm}^2"), (r"\scalebox{2}{5}", "5"), (r"\pmb{x}", "x"),
        (r"\bm{5}", "5"), (r"5\footnote{a}", "5"), (r"x^{\underline{2}}", "x^2"), (r"1\underline{2}", "12"),
        # 41: colours
        (r"\textcolor{blue}{5}", "5"), (r"\color{red}5", "5"), (r"\color{red}{5}", "5"), (r"{\color{red} 5}", "5"), (r"\colorbox{yellow}{5}", "5"),
        (r"\fcolorbox{red}{white}{5}", "5"), (r"\fbox{5}", "5"), (r"\bbox[yellow]{5}", "5"), (r"\href{http://a.b}{5}", "5"), (r"\mathcolor{red}{5}", "5"),
        (r"\style{color:red}{5}", "5"), (r"\textcolor[rgb]{1,0,0}{5}", "5"), (r"\color[HTML]{FF0000}5", "5"), (r"\textcolor{red}{\frac{1}{2}}", "0.5"),
        (r"\frac{\textcolor{red}{1}}{\textcolor{blue}{2}}", "0.5"), (r"\textcolor{red}{x}+\textcolor{blue}{1}", "x+1"), (r"\blue{5}", "5"),
        (r"\textcolor{red}{\text{even}}", "even"), (r"\textcolor{red}{\boxed{5}}", "5"), (r"\textcolor{red}{(1,2)}", "(1,2)"), (r"\redD{5}", "5"),
        (r"\colorbox{aqua}{$x=5$}", "5"), (r"\textcolor{red}{1, 2}", "1, 2"), (r"\class{hl}{5}", "5"),
    ],
    [
        (r"\underline{5}", "x"), (r"\nicefrac12", "12"), (r"5\tag{1}", "51"), (r"5\tag{1}", "5x"), (r"\foo 5", "5"), (r"5\foo", "5"), (r"\foo{2}{3}", "6"),
        (r"x\foo y", r"y\foo x"), (r"A \odot B", r"B \odot A"), (r"\cancel{5}", "5"), (r"5\cancel{6}", "30"), (r"2 \otimes 3", "6"), (r"x \star y", "xy"),
        (r"\foo{5}", r"\foo{6}"), (r"a \circledast b", "ab"), (r"\textcolor{blue}{5}", "6"), (r"\color{red}5", "r5"), (r"\underline{x+1}^2", "x+1"),
        (r"2\textcolor{red}{x+1}", "2x+1"), (r"\overset{a}{5}", "5"), (r"\sout{5}", "5"), (r"a \propto b", "ab"), (r"a \sim b", r"b \sim a"), (r"5\phantom{0}", "50"),
        (r"A \triangle B", "AB"), (r"a \mid b", r"b \mid a"), (r"a \prec b", r"b \prec a"), (r"A \perp B", r"A \parallel B"), (r"1\underline{2}", "2"),
    ],
)  # fmt: skip

COUNTS = (
    [
        (r"{}_8C_3", "56"), ("_8C_3", "56"), ("^8C_3", "56"), (r"{}^{8}C_{3}", "56"), ("C(8,3)", "56"), ("C_8^3", "56"), (r"\binom{8}{3}", "{}_8C_3"),
        (r"\dbinom{8}{3}", "56"), (r"{8 \choose 3}", "56"), (r"8 \choose 3", "56"), ("P(8,3)", "336"), (r"{}_8P_3", "336"), (r"{}_n C_r", r"\binom nr"),
        ("{}_nC_r", r"\binom{n}{r}"), ("8C3", "56"), ("8P3", "336"), ("nCr", r"\binom{n}{r}"), (r"\mathrm{C}_8^3", "56"), ("A_5^2", "20"), (r"{}_8\mathrm{C}_3", "56"),
        (r"{}^8P_3", "336"), ("C^8_3", "56"), (r"2\cdot{}_8C_3", "112"), (r"{}_8C_3 + {}_8C_4", "126"), (r"\frac{{}_8C_3}{{}_{10}C_3}", r"\frac{56}{120}"),
        ("C_{10}^{2}", "45"), (r"\text{nCr}(8,3)", "56"), (r"{}_nP_2", "n(n-1)"), ("binom(8,3)", "56"), ("C(n,2)", r"\frac{n(n-1)}{2}"), ("C(n,k)", r"\binom nk"), ("P(n,2)", "n^2-n"), (r"{}_8C_3 \cdot {}_5C_2", "560"), ("P(8,3) = 336", "336"),
    ],
    [
        ("{}_8C_3", "24"), ("C(8,3)", "336"), ("P(8,3)", "56"), ("C_1^2", "2"), (r"{}_8C_3", r"{}_8P_3"), ("C_8", "8C"), ("_8C_3", "C"), ("{}_8C_3", "8C_3"),
        ("C_1^2 + C_2^2", "3"), ("{}_8C_3", "{}_8C_4"), ("P(A, B)", "P(B, A)"), ("(8,3)", "56"), ("2^8C_3", "2^{56}"), ("C(8,3)", "(8,3)"), ("A(5,2)", "20"), ("P(x,y)", "x!"),
    ],
)  # fmt: skip

VECTORS = (
    [
        (r"2\mathbf i-\mathbf j", "(2,-1)"), (r"2\mathbf{i}-\mathbf{j}+3\mathbf{k}", "(2,-1,3)"), (r"2\hat{i}-\hat{j}", r"\langle 2,-1\rangle"),
        (r"2\vec{i}-\vec{j}", "(2,-1)"), (r"2\mathbf i-\mathbf j", "(2,-1,0)"), (r"\mathbf{i}+\mathbf{k}", "(1,0,1)"), (r"2\hat\imath-\hat\jmath", "(2,-1)"),
        (r"2\mathbf i-\mathbf j", r"\begin{pmatrix}2\\-1\end{pmatrix}"), (r"-\mathbf j+2\mathbf i", r"2\hat{i}-\hat{j}"), (r"2\boldsymbol{i}-\boldsymbol{j}", "(2,-1)"),
        (r"\frac{1}{\sqrt5}(2\mathbf i-\mathbf j)", r"\left(\frac{2}{\sqrt5},-\frac{1}{\sqrt5}\right)"), (r"\mathbf{v}=2\mathbf{i}-\mathbf{j}", r"\langle 2,-1\rangle"),
        (r"2\mathbf{\hat{i}}-\mathbf{\hat{j}}", "(2,-1)"), (r"2\hat{\mathbf{i}}-\hat{\mathbf{j}}", "(2,-1)"), ("2i - j", "(2,-1)"), ("2i-j", r"2\mathbf i-\mathbf j"),
        ("2i + 3j - k", "(2,3,-1)"), (r"3\mathbf{i}", "(3,0)"), (r"t\mathbf{i}+t^2\mathbf{j}", "(t,t^2)"), ("2î − ĵ", "(2,-1)"), (r"\frac{3\mathbf{i}-\mathbf{j}}{2}", "(1.5,-0.5)"),
        (r"3+2\mathbf{i}", "3+2i"), (r"\cos t\,\mathbf{i}+\sin t\,\mathbf{j}", r"\langle\cos t,\sin t\rangle"), (r"\mathbf{k}", "(0,0,1)"), (r"(2\hat{i}-\hat{j})\text{ m}", r"2\hat{i}-\hat{j}"), (r"\mathbf{r}(t)=t\mathbf{i}+t^2\mathbf{j}", "(t,t^2)"), (r"2\mathrm{i}-\mathrm{j}", "(2,-1)"), (r"2\textbf{i}-\textbf{j}", "(2,-1)"), (r"2\bm{i}-\bm{j}", "(2,-1)"),
    ],
    [
        (r"2\mathbf i-\mathbf j", "(2,1)"), (r"2\mathbf i-\mathbf j", "(-1,2)"), (r"2\mathbf i-\mathbf j", r"2\mathbf j-\mathbf i"), (r"2\mathbf i+3\mathbf k", "(2,3)"),
        (r"2\hat{i}", "2"), (r"2\mathbf i-\mathbf j", "[2,-1]"), ("2i", "(2,0)"), (r"2\mathbf i-\mathbf j", "(2,-1,1)"), ("3+2i", "(3,2)"), (r"\mathbf{i}\mathbf{j}", r"\mathbf{k}"),
        ("i+1", "(1,1)"), ("2i-j", "(2,1)"), (r"\mathbf i+\mathbf j", r"\{1,1\}"), (r"2\mathbf i-\mathbf j", r"\begin{pmatrix}2&-1\end{pmatrix}"), ("j", "(0,1)"),
    ],
)  # fmt: skip

DEGREES = (
    [
        (r"180^\circ-2\alpha", r"180-2\alpha"), (r"180^\circ-2\alpha", r"\pi-2\alpha"), (r"180^\circ-2\alpha", r"(180-2\alpha)^\circ"), (r"90^\circ-\frac{x}{2}", r"90-\frac x2"),
        (r"\frac{180^\circ-\alpha}{2}", r"90^\circ-\frac{\alpha}{2}"), (r"2(90^\circ-x)", r"180^\circ-2x"), (r"180^\circ-\alpha-\beta", r"180-\alpha-\beta"), (r"-2\alpha+180^\circ", r"180^\circ-2\alpha"),
        (r"\frac{360^\circ}{5}", r"72^\circ"), (r"180^\circ - 2\cdot 35^\circ", r"110^\circ"), (r"90°-x", "90-x"), (r"\angle A = 180^\circ-2\alpha", r"180^\circ-2\alpha"),
        (r"360^\circ/5", "72"), (r"90^{\circ}+\frac{\alpha}{2}", r"\frac{\pi}{2}+\frac{\alpha}{2}"), (r"30^\circ+360^\circ k", r"\frac{\pi}{6}+2\pi k"), (r"60^\circ+60^\circ", r"\frac{2\pi}{3}"), (r"(30^\circ, 60^\circ)", "(30, 60)"),
    ],
    [
        (r"180^\circ-2\alpha", r"180-\alpha"), (r"180^\circ-2\alpha", r"360^\circ-2\alpha"), (r"90^\circ-x", r"\pi-x"), (r"90^\circ-x", "x-90"), (r"180^\circ-2\alpha", r"180^\circ"),
        (r"30^\circ", r"30^\circ C"), (r"180^\circ-2\alpha", r"\pi-\frac{\pi\alpha}{180}"), (r"90^\circ-x", "90"),
    ],
)  # fmt: skip

UNICODE = (
    [
        ("2⁵", "32"), ("∛8", "2"), ("x²", "x^2"), ("10⁻³", "0.001"), ("½", "0.5"), ("√2", r"\sqrt2"), ("∜16", "2"), ("x₁", "x_1"), ("π", r"\pi"), ("2×3", "6"), ("6÷3", "2"),
        ("−5", "-5"), ("x ≤ 3", r"x \le 3"), ("(0,∞)", r"(0,\infty)"), ("[0,1]∪[2,3]", r"[0,1]\cup[2,3]"), ("x ∈ [0,1]", "[0,1]"), ("30°", r"30^\circ"), ("f′(x)=2", "f'(x)=2"),
        ("⌊2.5⌋", "2"), ("１２", "12"), ("√16", "4"), ("³√8", "2"), ("2½", "2.5"), ("⅓", r"\frac13"), ("¾", "0.75"), ("1⁄2", "0.5"), ("³⁄₄", "0.75"), ("x¹⁰", "x^{10}"), ("eˣ", "e^x"), ("aⁿ⁺¹", "a^{n+1}"),
        ("√(x+1)", r"\sqrt{x+1}"), ("2√3", r"2\sqrt3"), ("log₂8", r"\log_2 8"), ("α+β", r"\alpha+\beta"), ("5·3", "15"), ("±2", r"\pm2"), ("𝑥+1", "x+1"), ("𝟓", "5"), ("½x", r"\frac{x}{2}"), ("⟨1,2⟩", r"\langle 1,2\rangle"),
        ("（1，2）", "(1,2)"), ("5％", "5%"), ("⌈2.1⌉", "3"), ("∅", r"\emptyset"), ("2⁻¹", "0.5"), ("σ²", r"\sigma^2"), ("Δx", r"\Delta x"), ("5 ∙ 3", "15"), ("x≠0", r"x \ne 0"), ("10⁶", "1000000"),
        ("√16", r"\sqrt{16}"), ("√2.25", "1.5"), ("ⅇ", "e"), ("H₂O", "H_2O"), ("1…", "1..."), ("√3/2", r"\frac{\sqrt3}{2}"), ("sin²x", r"\sin^2 x"), ("cos⁻¹(x)", r"\arccos x"), ("log₁₀100", "2"), ("x^½", r"\sqrt x"), ("2³⁄₄", "2.75"), ("−3≤x<5", "[-3,5)"), ("ℝ∖{0}", r"\mathbb{R}\setminus\{0\}"), ("3×10⁸", "300000000"), ("25 ℃", r"25^\circ C"),
    ],
    [
        ("2⁵", "25"), ("∛8", r"\sqrt8"), ("√16", "6"), ("x₁", "x"), ("½", "12"), ("2½", "1"), ("10⁻³", "10-3"), ("³√8", "24"), ("1⁄2", "12"), ("x²", "2x"), ("x₁₂", "x_1"), ("ℤ", "ℝ"), ("2¹⁰", "210"),
    ],
)  # fmt: skip

PRODUCTS_AND_LOGARITHMS = (
    [
        ("2^6 3^5", "15552"), (r"2^6\,3^5", "15552"), (r"2^6 \; 3", "192"), (r"2^{6} 3^{5}", "15552"), (r"2^3 125", "1000"), (r"2^{3}\,5^{3}", "1000"), ("10^3 10^4", "10^7"), (r"2^6 \cdot 3^5", "2^6 3^5"),
        ("2^-3 8", "1"), ("x^2 3", "3x^2"), ("2^2 3^2 5", "180"), (r"2^2 \frac12", "2"), ("1 1/2", "1.5"), ("2^{10} 3", "3072"),
        (r"\log_10 100", "2"), (r"\log_{10} 100", "2"), (r"\log_10(100)", "2"), ("log_2 8", "3"), (r"\log_2 8", "3"), (r"\log_2(8)", "3"), (r"\log_28", "3"), (r"\log_10 x", r"\log_{10}x"), ("log_10(1000)", "3"),
        (r"\log_16 2", r"\frac14"), (r"\log_{2}\left(8\right)", "3"), ("x^10", "x^{10}"), ("2^10", "1024"), (r"\sqrt16", "4"), (r"\log_12 144", "2"), ("2^6 1/2", "32"),
    ],
    [
        ("3 4", "12"), ("3 4", "7"), ("3 4", "34"), (r"\log_10 100", "0"), ("2^6 3^5", "2^{63}"), ("3 4^2", "48"), ("2^6 3^5", "2^{6+3}"), (r"\log_10 100", r"\log_1(0100)"), (r"\sqrt16", "6"), ("2^3 125", "2^{3125}"), ("2^6 1/2", "64.5"),
    ],
)  # fmt: skip

COMPOUND = (
    [
        ("5 feet 6 inches", "66 inches"), ("5'6''", "66 inches"), ("5 ft 6 in", "5 feet 6 inches"), ("5'6\"", "5 feet 6 inches"), ("1 hour 30 minutes", "90 minutes"), ("1 hour 30 minutes", "1.5 hours"),
        ("2 lb 3 oz", "35 oz"), (r"3 dollars and 25 cents", r"\$3.25"), (r"5\text{ feet }6\text{ inches}", "5.5 feet"), ("5 feet and 6 inches", "66 inches"), ("5 feet, 6 inches", "66 inches"), ("5 ft. 6 in.", "66 in"),
        ("2 hours and 15 minutes", "135 minutes"), ("1 week 2 days", "9 days"), ("1 year 6 months", "18 months"), (r"\text{5 feet 6 inches}", "66 inches"), (r"12^\circ 30'", r"12.5^\circ"), (r"12^\circ 30' 36''", r"12.51^\circ"),
        ("2 minutes 30 seconds", "150 seconds"), ("3 kg 250 g", "3250 g"), ("2 m 35 cm", "235 cm"), (r"6\ \text{ft}\ 2\ \text{in}", "74 inches"), ("1 hour, 20 minutes", "80 minutes"), ("2 hours 0 minutes", "120 minutes"),
        ("1 day 2 hours 30 minutes", "26.5 hours"), ("x = 5 feet 6 inches", "66 inches"), ("66 inches", "66"), (r"\$3 and 25 cents", r"\$3.25"), ("5 cm and 3 mm", "3 mm, 5 cm"), ("5'6", "66 inches"), ("5' 6\"", "66 inches"), ("2 gallons 3 quarts", "11 quarts"), ("1 km 500 m", "1.5 km"), ("1 mile 880 yards", "1.5 miles"),
    ],
    [
        ("5 feet 6 inches", "56 inches"), ("5 feet 6 inches", "11 inches"), ("5 feet 6 inches", "6 feet 5 inches"), ("1 hour 30 minutes", "1.3 hours"), (r"3 dollars and 25 cents", r"\$28"), (r"12^\circ 30'", r"12.3^\circ"),
        ("2 lb 3 oz", "23 oz"), ("5 feet 6 inches", "5.6 feet"), ("1 hour 30 minutes", "30 minutes"), ("5 feet 6 seconds", "66 inches"), ("6 inches 5 feet", "11 feet"), ("5 feet 6 inches", "5 feet"),
    ],
)  # fmt: skip

INTERVALS = (
    [
        ("]1,2[", "(1,2)"), ("[1,2[", "[1,2)"), (r"]-\infty,3]", r"(-\infty,3]"), (r"\left]1,2\right[", "(1,2)"), ("]1,2]", "(1,2]"), (r"]-\infty,0[\cup]1,+\infty[", r"(-\infty,0)\cup(1,\infty)"), ("]1;2[", "(1,2)"),
        ("x \\in ]1,2[", "1<x<2"), (r"[0,1[ \cup ]2,3]", r"[0,1)\cup(2,3]"), (r"\left[0,+\infty\right[", r"[0,\infty)"), (r"]\frac12, \sqrt{2}[", r"(\frac12,\sqrt2)"), ("]0,1[ ∪ [2,3]", r"(0,1)\cup[2,3]"), (r"\rbrack 1,2 \lbrack", "(1,2)"),
        ("[[1,2],[3,4]]", "[[1,2],[3,4]]"), (r"(1,2], [3,4)", r"[3,4), (1,2]"), (r"[1,2) \cup [3,4)", r"[3,4)\cup[1,2)"),
    ],
    [
        ("]1,2[", "[1,2]"), ("[1,2[", "[1,2]"), ("[1,2[", "(1,2]"), ("]1,2]", "[1,2)"), (r"]-\infty,3]", r"(-\infty,3)"), ("]1,2[", "]2,1["), (r"]0,1[\cup]1,2[", "(0,2)"),
    ],
)  # fmt: skip

FACTORIALS_AND_DETERMINANTS = (
    [
        ("7!!", "105"), ("6!!", "48"), ("(3!)!", "720"), ("0!!", "1"), ("7!! + 1", "106"), (r"\frac{7!!}{3!!}", "35"), ("n!!", "n!!"), (r"\det\begin{pmatrix}1&2\\3&4\end{pmatrix}", "-2"), (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"),
        (r"\left|\begin{matrix}1&2\\3&4\end{matrix}\right|", "-2"), (r"\det\left(\begin{bmatrix}1&2\\3&4\end{bmatrix}\right)", "-2"), (r"2\begin{vmatrix}1&2\\3&4\end{vmatrix}+1", "-3"), (r"\operatorname{tr}\begin{pmatrix}1&2\\3&4\end{pmatrix}", "5"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{-1}", r"\begin{pmatrix}-2&1\\1.5&-0.5\end{pmatrix}"), (r"\begin{pmatrix}1&1\\0&1\end{pmatrix}^3", r"\begin{pmatrix}1&3\\0&1\end{pmatrix}"), (r"\det(A) = 5", "5"), (r"|A| = -2", "-2"),
        (r"\det\begin{bmatrix}a&b\\c&d\end{bmatrix}", "ad-bc"), (r"\begin{vmatrix}2&0&0\\0&3&0\\0&0&4\end{vmatrix}", "24"), (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^\top", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    ],
    [
        ("7!!", "5040!"), ("6!!", "720!"), ("7!!", "(7!)!"), ("3!!", "720"), ("3!!!", "3"), (r"\det\begin{pmatrix}1&2\\3&4\end{pmatrix}", "2"), (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{-1}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"), (r"\det\begin{pmatrix}1&2\\3&4\end{pmatrix}", "10"),
    ],
)  # fmt: skip

OVER = (
    [
        (r"1\over 2", "0.5"), (r"{1\over 2}", "0.5"), (r"x = 1\over 2", "0.5"), (r"8\choose 3", "56"), (r"{8\choose 3}", "56"), (r"-1\over 2", "-0.5"), (r"\sqrt3\over 2", r"\frac{\sqrt3}2"), (r"a+b\over 2", r"\frac{a+b}{2}"),
        (r"1\over 2, 3\over 4", "0.5, 0.75"), (r"(1\over 2, 3\over 4)", "(0.5, 0.75)"), (r"2^{1\over 2}", r"\sqrt2"), (r"{x+1 \over x-1}", r"\frac{x+1}{x-1}"), (r"1+{1\over 2}", "1.5"), (r"\pi\over 6", r"\frac{\pi}{6}"), (r"{{1\over 2}\over 3}", r"\frac16"),
        (r"n\choose k", r"\binom nk"), (r"1\over 2\text{ cm}", r"\frac12\text{ cm}"), (r"3{1\over 2}", r"\frac32"), (r"\left({1\over 2}\right)^2", "0.25"),
    ],
    [
        (r"1\over 2", "12"), (r"1\over 2", "2"), (r"1\atop 2", "0.5"), (r"8\choose 3", r"\frac83"), (r"1 \over 2 \over 3", r"\frac16"), (r"a+b\over 2", r"a+\frac b2"),
    ],
)  # fmt: skip

LEADS = (
    [
        ("=5", "5"), (r"\therefore 5", "5"), ("P(X=2)=5", "5"), (r"\Large 5", "5"), ("2{.}5", "2.5"), (r".\overline{3}", r"\frac13"), (r"\approx 5", "5"), ("5.", "5"), (r"\implies x = 5", "5"), (r"\to 5", "5"), (r"\$5", "5"),
        (r"5\,\%", r"5\%"), (r"x\colon 5", "5"), ("Answer: 5", "5"), (r"\mathrm{Answer}: 5", "5"), ("ans = 5", "5"), (r"\text{Answer: }5", "5"), ("x: 5", "x = 5"), (r"\Rightarrow 5", "5"), ("⇒ 5", "5"), ("∴ x = 5", "5"), ("= x + 1", "x+1"),
        (r"P(A \mid B) = \frac12", r"\frac12"), (r"\mathbb{E}[X] = 5", "5"), ("E(X) = 5", "5"), (r"\operatorname{Var}(X) = 2", "2"), (r"|A \cup B| = 10", "10"), (r"P(\text{red}) = \frac13", r"\frac13"), (r"P(X=2) = \frac38 = 0.375", r"\frac38"),
        (r"\Pr(X > 2) = \frac13", r"\frac13"), (r"\text{Area of } ABC = 6", "6"), (r"$=5$", "5"), ("**Answer:** 5", "5"), ("The final answer is: 5", "5"), ("Result = 5", "5"), (r"\boxed{5}", "5"), (r"n(A \cap B) = 4", "4"), (r"P(X \ge 2) = 0.5", "0.5"),
        (r"f^{-1}(3) = 2", "2"), (r"\text{Thus, }5", "5"), ("Therefore x = 5", "5"), ('"5"', "5"), (r"\max f(x) = 3", "3"), (r"\dim V = 3", "3"), (r"m\angle B = 50^\circ", r"50^\circ"), ("x := 5", "5"), (r"\implies \boxed{5}", "5"), (r"P(X=2)=5", r"P(X=2) = 5"), (r"\textbf{Answer: } 5", "5"),
    ],
    [
        ("P(X=2)=5", "P(X=3)=5"), ("P(X=2)=5", "2"), ("=5", "-5"), (r"\neq 5", "5"), ("x: 5", "y = 6"), (r"\therefore 5", "6"), ("Answer: not 5", "5"), ("3:5", "5"), ("x:y", "y"), (r"P(A|B) = \frac12", r"P(B|A) = \frac12"), ("<5", "5"), ("2{.}5", "25"),
        (r"|A \cup B| = 10", r"|A \cap B| = 10"), ("x + y = 5", "5"),
    ],
)  # fmt: skip

KINDS = {
    "17 repeating decimals": REPEATING, "18 capitals": CAPITALS, "21 sets of numbers": STRUCTURES, "22, 41 styling": STYLING,
    "26 combinations": COUNTS, "27 unit vectors": VECTORS, "33 degrees": DEGREES, "34 Unicode": UNICODE,
    "35, 36 powers, logarithms": PRODUCTS_AND_LOGARITHMS, "39 several units": COMPOUND, "40 outward brackets": INTERVALS,
    "42 double factorials, determinants": FACTORIALS_AND_DETERMINANTS, "45 over": OVER, "46 leads": LEADS,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_notations_of_one_value_are_equal(judge, kind):
    missed = [pair for pair in KINDS[kind][0] if not both(judge, *pair, Verdict.CORRECT)]
    assert missed == []


@pytest.mark.parametrize("kind", KINDS)
def test_notations_of_two_values_are_not(judge, kind):
    missed = [pair for pair in KINDS[kind][1] if not both(judge, *pair, Verdict.INCORRECT)]
    assert missed == []


def both(judge, first, second, expected):
    """Whether the verdict is the expected one in either order."""
    return verdict(judge, first, second) is expected and verdict(judge, second, first) is expected
