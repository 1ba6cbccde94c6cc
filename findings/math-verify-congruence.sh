#!/usr/bin/env bash
# math-verify 0.9.0 with latex2sympy2_extended 1.11.0: which number of a congruence counts depends on braces.
# Seen: x \equiv 3 \pmod 7 is read as its modulus, 7; with \pmod{7} as its residue, 3. So the same congruence, written twice,
# differs from itself, and 3 (mod 7) is verified as equal to 3 (mod 11).
# Expected: two ways to write one thing are one thing, and congruences with other moduli differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  math-verify==0.9.0 latex2sympy2_extended==1.11.0 antlr4-python3-runtime==4.13.2 sympy==1.14.0 mpmath==1.3.0
PYTHONPATH=$folder python3 - <<'PY'
from math_verify import parse, verify

bare, braced, other = (parse(rf"$x \equiv 3 \pmod {modulus}$") for modulus in ("7", "{7}", "{11}"))
print("read as", bare[0], "and", braced[0])
assert verify(bare, braced) is False
assert verify(braced, other) is True
PY
