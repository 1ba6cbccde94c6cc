"""Commands of a shell script as lists of words, without running anything.

Consumes the text of a script; produces its simple commands in order. It knows what training scripts are written with:
comments, quotes, continued lines, assignments, arrays, `${NAME:-value}`, sums in `$((...))`, redirections and
here-documents. A variable counts with the last value that the text gave it. What only a shell could know stays as it
is written: `$1`, `$(hostname)` and variables of the environment, but for `$HOME`, which is `~`. Branches and loops are
read through as if each line ran once. The words themselves are split by `shlex`.
"""

from __future__ import annotations

import ast
import operator
import re
import shlex
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from seed_grpo.errors import ConfigError

MOST_CHARACTERS = 100_000
"""length that a command may reach once its variables have their values"""
LARGEST_NUMBER = 2**63
LONGEST_SUM = 100
"""characters of a sum, and of a variable in it"""
BEFORE_A_COMMAND = {"then", "do", "else", "{", "!", "time", "exec", "nohup", "export", "declare", "local", "readonly"}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.S)
_ARRAY = re.compile(r"(\w+)(\+?)=")
_PLAIN = re.compile(r"""[^\s"'\\$`#<>();|&]+""")
_NAME = re.compile(r"\w+|[@*#?$!-]")
_WITH_DEFAULT = re.compile(r"([A-Za-z_]\w*|\d+)(?:\[[@*]\])?(?::?[-=](.*))?", re.S)
_WHOLE_ARRAY = re.compile(r'("?)\$\{(\w+)\[[@*]\]\}\1|"\$[@*]"')
_BLANK_BEHIND = re.compile(r"\\[ \t]+(?:\n|$)")
_HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_REDIRECTION = re.compile(r"[<>]{1,3}&?[ \t]*[^\s;|&()]*")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Command(NamedTuple):
    """A simple command, e.g. `Command(3, ("python", "train.py", "--lr", "1e-6"), None)`."""

    line: int
    words: tuple[str, ...]
    cut_at: int | None
    """line that ended the command where its writer meant it to go on: a comment behind a continued line, or a blank
    behind the backslash"""


def read_commands(text: str, name: str) -> list[Command]:
    """The commands of a script.

    Args:
        name: of the script, for messages.

    Raises:
        ConfigError: a quote or bracket is not closed, or variables grow without bound.
    """
    return list(_Reader(text.replace("\r\n", "\n"), name).commands())


class _Reader:
    """A script that is read once, from its beginning to its end, into pieces of the present command."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.newlines = [at for at, character in enumerate(text) if character == "\n"]
        self.at = self.begin = 0
        self.array: str | None = None
        self.variables: dict[str, str] = {"HOME": "~"}
        self.arrays: dict[str, list[str]] = {}
        self.here_document: str | None = None
        self._begin_command()

    def commands(self) -> Iterator[Command]:
        while self.at < len(self.text):
            character = self.text[self.at]
            if self.array is not None or character not in "\n;|&()":
                self._read(character)
            elif not self._begins_an_array(character):
                yield from self._end_of_command(character)
        if self.array is not None:
            raise self._fault("the bracket of an array is not closed", self.begin)
        yield from self._end_of_command("\n")

    def _begin_command(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.continued = False
        self.cut_at: int | None = None

    def _add(self, piece: str) -> None:
        if not self.pieces:
            self.begin = self.at
        if piece and (self.pieces or not piece.isspace()):
            self.pieces.append(piece)
            self.length += len(piece)
            self._bounded(self.length)

    def _read(self, character: str) -> None:
        if character == "#" and (not self.pieces or self.pieces[-1].isspace()):
            self._skip_comment()
        elif whole := _WHOLE_ARRAY.match(self.text, self.at):
            words = self.arrays.get(whole[2] or "", [])
            self._add(" ".join(map(shlex.quote, words)) if whole[1] else " ".join(map(_split, words)))
            self.at = whole.end()
        elif character == "'":
            self._add(shlex.quote(self._until("'", self.at + 1)))
        elif character == '"':
            self._double_quoted()
        elif character == "\\":
            self._escaped()
        elif character in "$`":
            value, split = self._expanded()
            self._add(_split(value) if split else shlex.quote(value))
        elif character in "<>":
            self._redirected()
        elif character == ")":
            self._end_of_array()
        else:
            plain = _PLAIN.match(self.text, self.at)
            self._add(plain[0] if plain else " " if character.isspace() else character)
            self.at = plain.end() if plain else self.at + 1

    def _end_of_command(self, character: str) -> Iterator[Command]:
        words, line, cut_at = self._words(), self._line(self.begin), self.cut_at
        self._begin_command()
        self.at += 1
        if character == "\n" and self.here_document is not None:
            end = re.compile(rf"^[ \t]*{self.here_document}[ \t]*$", re.M).search(self.text, self.at)
            self.at, self.here_document = end.end() if end else len(self.text), None
        while words and words[0] in BEFORE_A_COMMAND:
            words = words[1:]
        assigned = 0
        while assigned < len(words) and (found := _ASSIGNMENT.fullmatch(words[assigned])):
            before = self.variables.get(found[1], "") if found[2] else ""
            self.variables[found[1]] = before + found[3]
            self._bounded(len(before + found[3]))
            assigned += 1
        if words[assigned:]:
            yield Command(line, tuple(words[assigned:]), cut_at)

    def _words(self) -> list[str]:
        return shlex.split("".join(self.pieces), comments=False, posix=True)

    def _begins_an_array(self, character: str) -> bool:
        """Enters an array where `(` stands behind `NAME=`. Returns false where it does not."""
        found = _ARRAY.fullmatch(self.pieces[-1]) if character == "(" and self.pieces else None
        if found is None:
            return False
        self.array = found[1]
        if not found[2]:
            self.arrays[found[1]] = []
        self._begin_command()
        self.begin = self.at
        self.at += 1
        return True

    def _end_of_array(self) -> None:
        if self.array is not None:
            self.arrays.setdefault(self.array, []).extend(self._words())
            self._bounded(sum(map(len, self.arrays[self.array])))
            self.array = None
        self._begin_command()
        self.at += 1

    def _skip_comment(self) -> None:
        if self.continued and self.array is None and self.pieces:
            self.cut_at = self._line(self.at)
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _escaped(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "\n":
            self.continued = True
        elif following:
            if _BLANK_BEHIND.match(self.text, self.at):
                self.cut_at = self._line(self.at)
            self._add(shlex.quote(following))
        self.at += 2

    def _double_quoted(self) -> None:
        opened, inner, length = self.at, [""], 0
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            length += len(inner[-1])
            self._bounded(length)
            character, following = self.text[self.at], self.text[self.at + 1 : self.at + 2]
            if character == "\\" and following and following in '$`"\\\n':
                inner.append(following.strip("\n"))
                self.at += 2
            elif character in "$`":
                inner.append(self._expanded()[0])
            else:
                inner.append(character)
                self.at += 1
        if self.at >= len(self.text):
            raise self._fault('a quote " is not closed', opened)
        self._add(shlex.quote("".join(inner)))
        self.at += 1

    def _redirected(self) -> None:
        if found := _HERE_DOCUMENT.match(self.text, self.at):
            self.here_document, self.at = found[2], found.end()
            return
        if self.pieces and re.fullmatch(r"\d", self.pieces[-1]):  # the number of a stream, as in 2>&1
            self.pieces.pop()
        found = _REDIRECTION.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _expanded(self) -> tuple[str, bool]:
        """The value of what begins with `$` or a backtick, and whether the shell splits it into words."""
        begin = self.at
        if self.text[begin] == "`":
            return f"`{self._until('`', begin + 1)}`", False
        if self.text.startswith("$((", begin):
            inner = self._bracketed(begin + 1, "()")
            return self._sum(inner[1:-1], f"$({inner})"), False
        if self.text.startswith("$(", begin):
            return f"$({self._bracketed(begin + 1, '()')})", False
        if self.text.startswith("${", begin):
            inner = self._bracketed(begin + 1, "{}")
            if inner[:1] in ("@", "*"):
                return "", True  # a script that is only read has no arguments
            found = _WITH_DEFAULT.fullmatch(inner)
            return (self._value(found[1], found[2], f"${{{inner}}}"), True) if found else (f"${{{inner}}}", False)
        self.at += 1
        if self.text[self.at : self.at + 1] in ("'", '"'):  # $'...' and $"...": the quote follows
            return "", True
        if found := _NAME.match(self.text, self.at):
            self.at = found.end()
            return self._value(found[0], None, f"${found[0]}"), True
        return "$", False

    def _value(self, name: str, default: str | None, written: str) -> str:
        if name in ("@", "*"):
            return ""  # a script that is only read has no arguments
        if name in self.arrays:
            return self.arrays[name][0] if self.arrays[name] else ""
        if name in self.variables:
            return self.variables[name]
        return written if default is None else self._filled(default.strip("\"'"))

    def _filled(self, text: str) -> str:
        """A text whose variables have their values."""
        names = re.findall(r"\$\{?(\w+)\}?", text)
        self._bounded(sum(len(self.variables.get(name, "")) for name in names))
        return re.sub(r"\$\{?(\w+)\}?", lambda found: self.variables.get(found[1], found[0]), text)

    def _sum(self, inner: str, written: str) -> str:
        if len(inner) > LONGEST_SUM:
            return written
        names = re.sub(r"\$\{?([A-Za-z_]\w*)\}?", r"\1", inner)
        filled = re.sub(r"[A-Za-z_]\w*", lambda found: self.variables.get(found[0], found[0])[:LONGEST_SUM], names)
        try:
            return str(_number(ast.parse(filled.replace("/", "//").strip(), mode="eval").body))
        except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
            return written

    def _bounded(self, length: int) -> None:
        if length > MOST_CHARACTERS:
            raise self._fault(f"with its variables, a command has more than {MOST_CHARACTERS:,} characters", self.at)

    def _until(self, closing: str, begin: int) -> str:
        end = self.text.find(closing, begin)
        if end < 0:
            raise self._fault(f"a quote {closing} is not closed", begin - 1)
        self.at = end + 1
        return self.text[begin:end]

    def _bracketed(self, begin: int, pair: str) -> str:
        """The text between the bracket at `begin` and the one that closes it."""
        depth = 0
        for at in range(begin, len(self.text)):
            depth += {pair[0]: 1, pair[1]: -1}.get(self.text[at], 0)
            if depth == 0:
                self.at = at + 1
                return self.text[begin + 1 : at]
        raise self._fault(f"a bracket ${pair[0]} is not closed", begin - 1)

    def _line(self, at: int) -> int:
        return bisect_left(self.newlines, at) + 1

    def _fault(self, what: str, at: int) -> ConfigError:
        return ConfigError(f"{self.name}, line {self._line(at)}: {what}; correct the script")


def _split(value: str) -> str:
    """The words of a value that stands without quotes, for `shlex`; one that is not known is one word."""
    return shlex.quote(value) if re.search(r"[$`]", value) else " ".join(map(shlex.quote, value.split()))


def _number(node: ast.expr) -> int:
    """The number that an expression of whole numbers has. Raises a `ValueError` where it is anything else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        number = node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = -_number(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        number = _OPERATORS[type(node.op)](_number(node.left), _number(node.right))
    else:
        raise ValueError("not a sum of whole numbers")
    if abs(number) >= LARGEST_NUMBER:
        raise ValueError("more than a shell's number holds")
    return number
