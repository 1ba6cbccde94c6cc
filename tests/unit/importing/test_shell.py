"""Commands are read as a shell would split them, and nothing runs."""

import subprocess
from pathlib import Path

import pytest

from seed_grpo.errors import ConfigError
from seed_grpo.importing.shell import read_commands

SCRIPTS = {
    "quotes": """print 'a b' "c d" e\\ f g"h 'i'"j k'l "m"'n "o\\"p" 'q\\r' """,
    "variables": """A=1; B='two words'; print $A ${A}x "$A $B" $B '$A' "\\$A" a${A}b""",
    "unset with a value": """A=1; print ${SIZE:-8} ${NAME:-none} "${X:-a b}" ${Y:-$A} ${Z:-${A}0} ${A:-2}""",
    "sums": """N=8; K=128; print $((K / N)) $(( $K * ${N} - 1 )) "$((K % 3))" a$((2+3*4))b""",
    "continued": "print a \\\n  b \\\n  c",
    "comments": "# print x\nprint a#b c # d\nprint 'e # f' g",
    "a comment in a continued command": "print a \\\n# print b \\\nprint c",
    "arrays": 'A=(x "y z" # none\n  w\n)\nA+=(v)\nprint ${A[@]}\nprint "${A[@]}" u',
    "one of an array": 'A=(x y)\nprint $A ${A} "$A"',
    "a blank behind a backslash": "print a \\ \nprint b",
    "no arguments": 'print a $@ "$@" b $* ${@:2}',
    "several on a line": "A=1 && print $A; print b | print c >/dev/null 2>&1",
    "here-document": "A=$(cat <<EOF\nit's\nEOF\n); print a",
    "two lines of a text": "A='x\ny'\nprint \"$A\"",
    "export": "export A=5 B=6\nprint $A$B",
    "carriage returns": "print a \\\r\n  b\r\n",
    "appended": "A=x; A+=y; print $A",
    "a branch": "if true; then A=3; fi; print $A",
}
GROWN = "A=aaaaaaaaaa\n" + "A=$A$A\n" * 12
"""assignments that make a variable of 10 x 2^12 = 40,960 characters"""
PRINT = "print() { printf '[%s]' \"$@\"; echo; }\n"


def read(text: str) -> list[tuple[str, ...]]:
    return [command.words for command in read_commands(text, "s.sh")]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_words_are_those_that_bash_gives_a_command(script: str, tmp_path: Path) -> None:
    """Against bash itself, which runs the same text with a `print` that shows its arguments one by one."""
    file = tmp_path / "s.sh"
    file.write_text(PRINT + script.replace("\r\n", "\n"))
    ran = subprocess.run(["bash", str(file)], capture_output=True, text=True, timeout=20, check=True).stdout
    commands = [words[1:] for words in read(script) if words[0] == "print"]
    shown = "".join("".join(f"[{word}]" for word in words) + "\n" for words in commands)
    if script is SCRIPTS["several on a line"]:  # a pipe swallows what is printed into it
        assert commands == [("1",), ("b",), ("c",)]
    else:
        assert shown == ran


def test_what_only_a_shell_could_know_stays_as_it_is_written() -> None:
    script = 'A=$(basename "$B" .sh)\nrun $A $B "${C}/x" $1 `date +%s` $((D * 2)) ${E%.sh} "$(cat f)"'
    assert read('A=($(pwd)/x "y z")\nrun ${A[@]} b') == [("run", "$(pwd)/x", "y", "z", "b")]
    assert read(script)[-1] == (
        "run", '$(basename "$B" .sh)', "$B", "${C}/x", "$1", "`date +%s`", "$((D * 2))", "${E%.sh}", "$(cat f)",
    )  # fmt: skip


def test_home_is_a_tilde_as_our_own_paths_have_it() -> None:
    assert read("run $HOME/data ${HOME}/x") == [("run", "~/data", "~/x")]


def test_a_comment_that_cuts_a_command_is_told() -> None:
    first, second = read_commands("\nrun --a 1 \\\n  # --b 2 \\\n  --c 3\n", "s.sh")
    assert (first.line, first.words, first.cut_at) == (2, ("run", "--a", "1"), 3)
    assert second.words == ("--c", "3") and second.cut_at is None


def test_a_blank_behind_a_backslash_cuts_a_command_and_is_told() -> None:
    first, second = read_commands("run --a 1 \\ \n  --b 2\n", "s.sh")
    assert (first.words, first.cut_at) == (("run", "--a", "1", " "), 1)
    assert second.words == ("--b", "2")


def test_nothing_runs(tmp_path: Path) -> None:
    there = tmp_path / "there"
    read(f"touch {there}\nA=$(touch {there}); B=`touch {there}`; echo $((a[$(touch {there})]))")
    assert not there.exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("run 'a", r"s\.sh, line 1: a quote ' is not closed"),
        ('\nrun "a', r's\.sh, line 2: a quote " is not closed'),
        ("run `a", "a quote ` is not closed"),
        ("run $(a", r"a bracket \$\( is not closed"),
        ("run ${a", r"a bracket \$\{ is not closed"),
        ("\n\nA=(a b", r"line 3: the bracket of an array is not closed"),
        (GROWN + "A=$A$A\n" * 9, "with its variables, a command has more than 100,000 characters"),
        (GROWN + 'B="' + "$A" * 20_000 + '"', "with its variables, a command has more than"),
        (GROWN + "B=${C:-" + "$A" * 20_000 + "}", "with its variables, a command has more than"),
        (GROWN + "B=()\n" + 'B+=("$A")\n' * 9, "with its variables, a command has more than"),
        (GROWN + "B=x\n" + "B+=$A\n" * 9, "with its variables, a command has more than"),
    ],
)
def test_a_broken_script_is_told_by_its_line(script: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(script)


@pytest.mark.parametrize(
    "inner", ["9 ** 9 ** 9", "a.b", "f(1)", "1 / 0", "'x' * 9", "[1]", "2 ** 70", "", "1.5 + 1", "True"]
)
def test_a_sum_of_anything_but_whole_numbers_stays_as_it_is(inner: str) -> None:
    assert read(f"run $(({inner}))") == [("run", f"$(({inner}))")]


@pytest.mark.parametrize("inner", ["1" + "+1" * 20_000, "(" * 49 + "1" + ")" * 49 + "+1", "A" + "+A" * 20_000, "A + A"])
def test_a_long_sum_is_not_computed(inner: str) -> None:
    assert read(f"{GROWN}run $(({inner}))")[-1] == ("run", f"$(({inner}))")


def test_a_sum_that_leaves_a_shells_numbers_stays_as_it_is() -> None:
    # 9, 81, 6561, ... the seventh square has 61 digits
    words = read("A=9\n" + "A=$((A * A))\n" * 7 + "run $A")[-1]
    assert words[1].startswith("$((")
