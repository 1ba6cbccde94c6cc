#!/usr/bin/env bash
# math-verify 0.9.0 with sympy 1.14.0: gcd and lcm of letters are those of polynomials, decided at once.
# Seen: \gcd(n, 6) is read as 1 and \operatorname{lcm}(a, b) as a b, and both are verified as equal to that.
# Expected: unevaluated, since letters in such an answer are whole numbers: for n = 6 the first is 6, for a = b = 2 the
# second is 2 and not 4. sympy's gcd works over polynomials by default, where n and 6 share no factor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2 sympy==1.14.0 mpmath==1.3.0
PYTHONPATH=$folder python3 - <<'PY'
from math_verify import parse, verify

divisor, multiple = parse(r"$\gcd(n, 6)$"), parse(r"$\operatorname{lcm}(a, b)$")
print("read as", divisor[0], "and", multiple[0])
assert verify(parse("$1$"), divisor) is True
assert verify(parse("$ab$"), multiple) is True
PY
