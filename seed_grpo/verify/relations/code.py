"""The relation `code`: two programs mean the same if they behave alike on given inputs.

Consumes the text of a Python program; produces a form whose value is what the program does on each input: whether it
succeeds, and what it prints, white space at the ends of lines aside. Equal values mean the same, so that the partition
of G programs takes G runs on each input and no comparison of pairs. The reference answer is a program too.

Programs that a model wrote are run here alone, only if the user chose this relation, and only in the sandbox of
`seed_grpo.verify.isolation.sandbox`; that file says what holds there. A program that takes too long has no form, and
its verdict is `timed_out`; one that is too long itself or prints too much is out of proportion. One that the bound on
memory stops has failed like any that raises: the two cannot be told apart from outside.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence

from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.bounds import BoundReachedError, JudgeFaultError
from seed_grpo.verify.isolation.sandbox import Behaviour, run_program
from seed_grpo.verify.math.parse import Parsed

MAX_PROGRAM_CHARS = 20_000
SHOWN_CHARS = 40
"""characters of an output that are shown as evidence; all of it is in its digest"""
START_SECONDS = 60.0
"""time for the trial run on a busy machine"""


class Programs:
    """Reads programs by running them."""

    def __init__(self, inputs: Sequence[str], seconds: float, memory_mib: int) -> None:
        """Makes a trial run.

        Args:
            inputs: standard inputs, at least one.
            seconds: wall-clock time of one run.
            memory_mib: bound on the address space of each of a program's processes.

        Raises:
            VerifierError: this machine gives no sandbox, so that no program may be run.
        """
        self._inputs = tuple(inputs)
        self._seconds = seconds
        self._memory_mib = memory_mib
        try:
            behaviour = run_program("print(input())", "trial", START_SECONDS, memory_mib)
        except (BoundReachedError, JudgeFaultError) as error:
            raise VerifierError(
                f"verifier.relation=code needs a sandbox, which this machine cannot provide: {error}; use Linux "
                "5.12 or later with user namespaces (as root: CAP_SYS_ADMIN), or another verifier.relation"
            ) from None
        if behaviour != Behaviour("trial\n", True):
            raise VerifierError(
                f"the trial program of verifier.relation=code failed in the sandbox: {behaviour}; "
                f"raise verifier.memory_mib={memory_mib}"
            )

    def parse(self, text: str) -> Parsed:
        """The behaviour of a program on every input, as a form.

        Raises:
            OutOfTimeError: it takes too long.
            BoundReachedError: it is too long, or prints too much.
            JudgeFaultError: the sandbox failed.
        """
        program = textwrap.dedent(text).strip()
        if len(program) > MAX_PROGRAM_CHARS:
            raise BoundReachedError(f"a program of {len(program)} characters is longer than {MAX_PROGRAM_CHARS}")
        runs = [run_program(program, given, self._seconds, self._memory_mib) for given in self._inputs]
        return Parsed("behaviour", tuple(map(_value, runs)), program)


def _value(behaviour: Behaviour) -> tuple[str, str, str]:
    lines = (line.rstrip() for line in behaviour.stdout.rstrip().split("\n"))
    printed = "\n".join(lines)
    digest = hashlib.sha256(printed.encode()).hexdigest()
    return "success" if behaviour.success else "failure", printed[:SHOWN_CHARS], digest
