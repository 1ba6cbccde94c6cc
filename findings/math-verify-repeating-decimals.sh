#!/usr/bin/env bash
# math-verify 0.9.0 with latex2sympy2_extended 1.11.0: the repeating part of a decimal is lost.
# Seen: 0.\overline{3}, 0.\dot{3} and 0.(3) are read as 0, so that each is verified as equal to 0 and as different from 1/3.
# Expected: 1/3. A grader that cannot read an answer had better say so: here a right answer earns nothing, and 0 earns all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2 sympy==1.14.0 mpmath==1.3.0
PYTHONPATH=$folder python3 - <<'PY'
from math_verify import parse, verify

for written in (r"$0.\overline{3}$", r"$0.\dot{3}$", "$0.(3)$"):
    answer = parse(written)
    print(written, "is read as", answer[0])
    assert verify(parse("$0$"), answer) is True, written
    assert verify(parse(r"$\frac{1}{3}$"), answer) is False, written
PY
