#!/usr/bin/env bash
# math-verify 0.9.0 with latex2sympy2_extended 1.11.0: of a piecewise function the last number is left.
# Seen: both functions below are read as 0, the bound of their last condition, and verified as equal to each other and to 0.
# Expected: unread, or compared branch by branch. The two differ everywhere: one is |x|, the other is 7 or x + 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2 sympy==1.14.0 mpmath==1.3.0
PYTHONPATH=$folder python3 - <<'PY'
from math_verify import parse, verify

modulus = parse(r"$\begin{cases} x & x>0 \\ -x & x\le 0\end{cases}$")
other = parse(r"$\begin{cases} 7 & x>0 \\ x+1 & x\le 0\end{cases}$")
print("|x| is read as", modulus[0], "and the other function as", other[0])
assert verify(modulus, other) is True
assert verify(modulus, parse("$0$")) is True
PY
