"""Checks of the rules of the layout, each a function of a folder that holds a package, so that a test can break one.

Every check returns its violations, one line each, and an empty list where the rule holds. An import counts wherever it
stands: at the top, inside a function, or for typing alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

FLOORS = (
    ("", "cli"),  # the package itself is its public API, which reaches everything
    ("commands",),
    ("runtime", "evaluate"),
    ("records",),
    ("train", "weight_sync", "loop", "verify", "data", "arithmetic"),
    ("rollout",),
    ("pretrained",),
    ("algo", "semantics"),
    ("config",),
    ("messages", "errors", "seeds", "rendezvous", "extensions"),
)
"""floors from the top; a module may import from its own floor and from those below"""

ASKED_BY_CLI = ("commands", "config", "errors")
"""parts that the command line may import; it reaches the others through the commands"""

OWNERS: Mapping[str, tuple[str, ...]] = {
    "ray": ("runtime",),
    "vllm": ("rollout.vllm", "weight_sync"),
    "deepspeed": ("train.deepspeed_engine", "train.sequence_parallel"),
    "sympy": ("verify",),
    "pylatexenc": ("verify",),
    "peft": ("train.lora",),
    "pydantic": ("config",),
    "trl": (),  # the trainer is measured against it, in tests only
    "math_verify": (),  # so is the judge
}
"""third-party package -> the folders and modules that may import it"""

WITHOUT_TORCH = ("config", "messages", "records", "loop", "verify.math", "commands.plan", "commands.plan_page")

FILES_OF_A_FOLDER = 14
LINES_OF_A_FILE = 350
LINES_OF_A_FUNCTION = 60
CHARACTERS_OF_A_TEST = 70
ONE_THING = "is one thing"
"""words at the head of a file that may be longer"""

FIRST_WORDS = {"of", "what", "by", "where", "that", "which", "from", "with", "how", "whether", "args"}
"""words that no docstring begins with, and no note under a field or a constant"""

PRIVATE_OF_OTHERS: Mapping[str, Mapping[str, str]] = {
    "os": {"_exit": "ends a process at once, as a crash does"},
    "ray": {
        "_private": "the autoscaler's modules for KubeRay have no other path",
        "_derive_autoscaling_config_from_ray_cr": "what KubeRay's autoscaler makes of a RayCluster",
        "_node_ip_address": "gives nodes of one machine addresses of their own",
    },
    "torch": {
        "_python_dispatch": "the mode that sees every tensor that is made",
        "_subclasses": "fake tensors, which have a shape and no memory",
        "_forward_hooks": "hooks can be set by a public name, not counted",
        "_forward_pre_hooks": "as _forward_hooks",
    },
    "transformers": {
        "_attn_implementation": "the attention that a model has been given",
        "_weight_conversions": "what `save_pretrained` takes a model's parameters apart by",
        "_added_tokens_encoder": "a tokenizer in Python has its special tokens there",
    },
    "trl": {
        "_clip_grad_norm": "the step, cut open: TRL has one public method, `train`",
        "_generate_and_score_completions": "as _clip_grad_norm",
        "_compute_loss": "as _clip_grad_norm",
        "_metrics": "means of the step; public only after `log`, over several steps",
        "_tokenizer": "its trainer's tokenizer",
    },
    "vllm": {"_registry": "its factories tell what they know only by starting an engine"},
}
"""package -> private names that have no public way, which tests that import the package may use, and what for"""

BY_NAME = {"getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller", "patch", "object"}
"""functions that take the name of an attribute among their first two arguments"""

PUBLIC_ALL_THE_SAME = {"_replace", "_asdict", "_fields", "_make"}
"""methods of named tuples"""

EVALUATES = re.compile(r"\b(eval|exec|sympify|parse_expr|os\.system)\(|shell=True")


def modules_of(package: Path) -> dict[str, Path]:
    """Paths of the modules by name within the package: "" for the package itself, "algo.loss" for algo/loss.py."""
    names = {path: ".".join(path.relative_to(package).with_suffix("").parts) for path in sorted(package.rglob("*.py"))}
    return {name.removesuffix("__init__").rstrip("."): path for path, name in names.items()}


def imported_by(path: Path, package: Path) -> Iterator[str]:
    """Names that the import statements of a file may mean, absolute: `from a.b import c` gives a.b and a.b.c."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, path, package)


def _imported_from(node: ast.ImportFrom, path: Path, package: Path) -> Iterator[str]:
    module = node.module or ""
    if node.level:
        folder = path.relative_to(package.parent).parts[: -node.level]
        module = ".".join([*folder, *filter(None, [node.module])])
    yield module
    yield from (f"{module}.{alias.name}" for alias in node.names)


def graph_of(package: Path) -> dict[str, set[str]]:
    """Modules of the package that each module imports; a folder only where a name is taken from the folder itself."""
    modules = modules_of(package)
    graph = {}
    for name, path in modules.items():
        named = [n for n in imported_by(path, package) if _inside(n, package.name)]
        found = {n.removeprefix(package.name).removeprefix(".") for n in named} & modules.keys()
        folders = {n for n in found if modules[n].name == "__init__.py"}
        graph[name] = found - {n for n in folders if any(_inside(m, n) for m in found - {n})} - {name}
    return graph


def _inside(name: str, folder: str) -> bool:
    """Tells whether a module is a folder or module, or in it; "" is the whole package."""
    return not folder or name == folder or name.startswith(f"{folder}.")


def check_floors(package: Path) -> list[str]:
    """Rule 1: nothing imports upwards, the command line imports commands alone, and every part has a floor."""
    floor = {part: number for number, parts in enumerate(FLOORS) for part in parts}
    graph = graph_of(package)
    parts = {name: name.partition(".")[0] for name in graph}
    found = [f"{part} has no floor" for part in sorted(set(parts.values()) - floor.keys())]
    for name, targets in graph.items():
        for target in sorted(targets):
            here, there = floor.get(parts[name]), floor.get(parts[target])
            if here is not None and there is not None and there < here:
                found.append(f"{name} imports {target or 'the package'}, upwards")
            if name == "cli" and parts[target] not in ASKED_BY_CLI:
                found.append(f"cli imports {target or 'the package'}, past the commands")
    return found


def check_circles(package: Path) -> list[str]:
    """Rule 2: no two files reach each other."""
    graph = graph_of(package)
    reached = {name: _reached_from(name, graph) for name in graph}
    circles = {frozenset(m for m in reached[name] if name in reached[m]) for name in graph if name in reached[name]}
    return [f"a circle: {', '.join(sorted(circle))}" for circle in sorted(circles, key=sorted)]


def _reached_from(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Modules that imports lead to from this one, itself only if they lead back."""
    reached: set[str] = set()
    ahead = list(graph[name])
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead.extend(graph[module])
    return reached


def check_owners(package: Path) -> list[str]:
    """Rule 3: third-party packages appear only at the edge that owns them, and torch not where nothing is computed."""
    found = []
    for name, path in modules_of(package).items():
        imported = {n.partition(".")[0] for n in imported_by(path, package)}
        for third_party, owners in OWNERS.items():
            if third_party in imported and not any(_inside(name, owner) for owner in owners):
                found.append(f"{name} imports {third_party}")
        if "torch" in imported and any(_inside(name, folder) for folder in WITHOUT_TORCH):
            found.append(f"{name} imports torch")
    return found


def check_folders(package: Path) -> list[str]:
    """Rule 4: no folder holds more than 14 files, its `__init__.py` and README not counted."""
    found = []
    for folder in sorted({path.parent for path in package.rglob("*.py")}):
        own = [p for p in folder.iterdir() if p.is_file() and p.name not in ("__init__.py", "README.md")]
        if len(own) > FILES_OF_A_FOLDER:
            found.append(f"{folder.relative_to(package.parent)} has {len(own)} files, at most {FILES_OF_A_FOLDER}")
    return found


def check_sizes(folder: Path) -> list[str]:
    """Rule 4: a file has at most 350 lines, unless its head says that it is one thing; a function has at most 60."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text, where = path.read_text(), path.relative_to(folder.parent)
        tree, lines = ast.parse(text), text.count("\n")
        if lines > LINES_OF_A_FILE and ONE_THING not in (ast.get_docstring(tree) or ""):
            found.append(f"{where} has {lines} lines, and its head does not say that it {ONE_THING}")
        for node in _functions(tree):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LINES_OF_A_FUNCTION:
                found.append(f"{where}: {node.name} has {length} lines, at most {LINES_OF_A_FUNCTION}")
    return found


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def check_docstrings(package: Path) -> list[str]:
    """House style 21: every module has a docstring, and no docstring's first word hangs on what stands above it. The
    notes under fields and constants count as docstrings."""
    found = []
    for path in sorted(package.rglob("*.py")):
        tree, where = ast.parse(path.read_text()), path.relative_to(package.parent)
        if not ast.get_docstring(tree):
            found.append(f"{where} has no docstring")
        for name, text in _docstrings(tree):
            word = re.match(r"\W*(\w*)", text)
            if word and word[1].lower() in FIRST_WORDS:
                found.append(f"{where}: the docstring of {name} begins with {word[1]}")
    return found


def _docstrings(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Name and text of every docstring, and of every string that stands as a statement behind an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "name", "the module"), ast.get_docstring(node) or ""
            for before, after in pairwise(node.body):
                match before, after:
                    case (
                        ast.Assign(targets=[target]) | ast.AnnAssign(target=target),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        yield ast.unparse(target), text


def check_places_of_tests(package: Path, unit: Path) -> list[str]:
    """Rule 5: a test stands where its module does, as `test_<module>.py` or as `<module>/test_<topic>.py`."""
    modules = modules_of(package)
    found = []
    for path in sorted(unit.rglob("test_*.py")):
        folders = path.relative_to(unit).parts[:-1]
        module = ".".join([*folders, path.stem.removeprefix("test_")])
        if module not in modules and not _is_file(".".join(folders), modules):
            found.append(f"{path.relative_to(unit.parent)} tests neither a module {module} nor a topic of a module")
    return found


def _is_file(module: str, modules: Mapping[str, Path]) -> bool:
    return module in modules and modules[module].name != "__init__.py"


def check_marks(tests: Path) -> list[str]:
    """Test files of engines/ and long/ carry the mark of their folder; none of unit/ and contract/ starts an engine."""
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        text, folder = path.read_text(), path.relative_to(tests).parts[0]
        for mark in ("engine", "long"):
            if folder.startswith(mark) and f"mark.{mark}" not in text:
                found.append(f"{path.relative_to(tests)} has no mark {mark}")
        if folder in ("unit", "contract") and "mark.engine" in text:
            found.append(f"{path.relative_to(tests)} starts engines")
    return found


def check_names_of_tests(tests: Path) -> list[str]:
    """House style 23: the name of a test has at most 70 characters."""
    return [
        f"{path.relative_to(tests)}: {node.name} has {len(node.name)} characters, at most {CHARACTERS_OF_A_TEST}"
        for path in sorted(tests.rglob("*.py"))
        for node in _functions(ast.parse(path.read_text()))
        if node.name.startswith("test_") and len(node.name) > CHARACTERS_OF_A_TEST
    ]


def check_private_names(tests: Path) -> list[str]:
    """House style: tests look from outside. No private name but a file's own and those of `PRIVATE_OF_OTHERS`."""
    found = []
    for path in sorted(tests.rglob("*.py")):
        tree = ast.parse(path.read_text())
        packages = {name.partition(".")[0] for name in _modules_imported(tree)}
        allowed = {name for package in packages & PRIVATE_OF_OTHERS.keys() for name in PRIVATE_OF_OTHERS[package]}
        own = set(_bound_in(tree))
        for line, name, is_of_self in sorted(_private_names(tree)):
            if name not in allowed and not (is_of_self and name in own):
                found.append(f"{path.relative_to(tests)}:{line} uses {name}")
    return found


def _modules_imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _bound_in(tree: ast.AST) -> Iterator[str]:
    """Names that a file itself gives to attributes, functions, classes and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _private_names(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Private names that a file uses: the line, the name, and whether it is an attribute of self or cls."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            yield from ((node.lineno, name, of_self) for name in filter(_is_private, [node.attr]))
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Call):
            names = [keyword.arg for keyword in node.keywords if keyword.arg]
            if ast.unparse(node.func).rpartition(".")[2] in BY_NAME:
                given = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
                names += [part for text in given if isinstance(text, str) for part in text.split(".")]
        yield from ((node.lineno, name, False) for name in names if _is_private(name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_") and name not in PUBLIC_ALL_THE_SAME


def check_evaluation(package: Path) -> list[str]:
    """Invariant 4, as far as the source shows it: no eval, exec, sympify, parse_expr, shell."""
    found = []
    for path in sorted(package.rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("#")[0]
            if EVALUATES.search(code) and ".eval()" not in code:
                found.append(f"{path.relative_to(package.parent)}:{number}: {line.strip()}")
    return found


def check_top_level(tracked: Iterable[str], allowed: set[str]) -> list[str]:
    """The repository's top level holds only what the layout names, and dot files."""
    names = {name.partition("/")[0] for name in tracked}
    return [f"{name} is at the top level" for name in sorted(names - allowed) if not name.startswith(".")]
