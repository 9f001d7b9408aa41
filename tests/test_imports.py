"""Imports go down the house only, never in a loop, and `import gatewise` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gatewise

ROOT = Path(gatewise.__file__).parent
# Lowest first; a module may import from its own floor and from those below it.
FLOORS = [
    {"errors"},
    {"arrays", "limits", "plain", "printing", "progress", "spreadsheets", "threads"},
    {"storage"},
    {"comparison"},
    {"activations"},
    {"layouts"},
    {"cells"},
    {"kernels"},
    {"recurrence"},
    {"layers"},
    {"descriptions"},
    {"optimizers", "losses", "schedules", "batches"},
    {"sight"},
    {"training", "gradcheck", "streaming"},
    {"datasets"},
    {"examine"},
    {"convolutions", "forecasting"},
    {"estimators"},
    {"files"},
    {"interop"},
    {"dayahead", "tables"},
    {"pages", "bench"},
    {"distributed"},
    {"cli"},
    {"__init__"},
]
HEAVY = ["pandas", "sklearn", "rich", "click", "bokeh", "numba", "xarray"]


def modules(root):
    """The name of every module under `root`, with its path: `gatewise.layers.stack`, `gatewise.layers`, ..."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(["gatewise", *(p for p in parts if p != "__init__")])] = path
    return found


def imports(name, path, known, *, top_only=False):
    """The modules of `known` that the module `name` imports; with `top_only`, those that loading it loads.

    A module's name in a string counts as an import of it, one that runs later: that is how `import_module` and tables
    of names to be loaded look.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in loaded(tree) if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), name, path)
            # `from gatewise import __version__` takes a fact about the package, not one of its modules.
            members = {f"{base}.{alias.name}" for alias in node.names if not alias.name.startswith("__")}
            found |= {member for member in members if member in known}
            if any(member not in known for member in members):
                found.add(base)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not top_only:
            found |= {absolute(node.value, name, path)} - {"gatewise"}
    return {module for module in found if module in known}


def absolute(target, name, path):
    """`gatewise.layers.stack` for `.stack` in the module `gatewise.layers.sequential`; other names as they are."""
    level = len(target) - len(target.lstrip("."))
    if not level:
        return target
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return ".".join([*package[: len(package) + 1 - level], *filter(None, [target[level:]])])


def loaded(tree):
    """All nodes but those inside functions and `if TYPE_CHECKING:`, which run later or never."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from loaded(node)


def place(name):
    """The part of the house a module belongs to: `layers` for `gatewise.layers.stack`."""
    return name.split(".")[1] if "." in name else "__init__"


def floor_of(name):
    for number, floor in enumerate(FLOORS):
        if place(name) in floor:
            return number
    return None


def upward(root):
    """`module -> module` for each import that goes up."""
    known = modules(root)
    return [
        f"{name} -> {target}"
        for name, path in known.items()
        for target in sorted(imports(name, path, known))
        if floor_of(name) is not None and floor_of(target) is not None and floor_of(target) > floor_of(name)
    ]


def loops(root):
    """Chains of modules that load one another, each as a list that ends where it begins."""
    known = modules(root)
    graph = {name: imports(name, path, known, top_only=True) - {"gatewise"} for name, path in known.items()}
    found, done = [], set()

    def visit(name, trail):
        if name in trail:
            found.append([*trail[trail.index(name) :], name])
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*trail, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    return found


def test_every_module_has_a_floor():
    homeless = {name for name, path in modules(ROOT).items() if floor_of(name) is None and path.name != "__main__.py"}
    assert not homeless, "add them to FLOORS, where architecture.md has them"
    assert len(modules(ROOT)) > 15


def test_imports_go_down_only():
    assert upward(ROOT) == []


def test_no_modules_import_each_other_in_a_loop():
    assert loops(ROOT) == []


@pytest.mark.parametrize(
    ("files", "up", "loop"),
    [
        ({"errors.py": "from gatewise import layers"}, ["gatewise.errors -> gatewise.layers"], []),
        ({"errors.py": "from .layers.stack import A"}, ["gatewise.errors -> gatewise.layers.stack"], []),
        ({"cells/gru.py": "import gatewise.recurrence"}, ["gatewise.cells.gru -> gatewise.recurrence"], []),
        ({"cells/gru.py": "def f():\n    from ..cli import x"}, ["gatewise.cells.gru -> gatewise.cli"], []),
        ({"errors.py": "import_module('gatewise.layers')"}, ["gatewise.errors -> gatewise.layers"], []),
        ({"errors.py": "LATER = {'a': 'gatewise.cli'}"}, ["gatewise.errors -> gatewise.cli"], []),
        ({"cells/gru.py": "import_module('..cli', __package__)"}, ["gatewise.cells.gru -> gatewise.cli"], []),
        ({"cells/gru.py": 'KIND = "gatewise.errors"', "errors.py": '"""See gatewise.cells."""'}, [], []),
        ({"losses.py": "import gatewise"}, ["gatewise.losses -> gatewise"], []),
        ({"cli/__init__.py": "from gatewise.errors import A\nimport numpy\nfrom gatewise import __version__"}, [], []),
        (
            {"losses.py": "from . import batches", "batches.py": "from gatewise.losses import mse"},
            [],
            [["gatewise.batches", "gatewise.losses", "gatewise.batches"]],
        ),
        ({"losses.py": "from . import batches", "batches.py": "def f():\n    from . import losses"}, [], []),
    ],
)
def test_the_reader_sees_what_it_should(tmp_path, files, up, loop):
    names = ["errors", "recurrence", "losses", "batches", "cells/__init__", "cells/gru", "layers/__init__"]
    for name in [*names, "layers/stack", "cli/__init__", "__init__"]:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(files.get(f"{name}.py", ""))
    assert upward(tmp_path) == up
    assert loops(tmp_path) == loop


LAYERS_AND_ALL_UNDER_THEM = "gatewise.GRU(2, 3, rng=0)(numpy.ones((1, 4, 2), 'float32'))"
TRAINING = "gatewise.train, gatewise.losses, gatewise.optimizers, gatewise.load"


@pytest.mark.parametrize(
    ("use", "left"),
    [
        ("", ["numpy", "gatewise.errors", *HEAVY]),
        ("import gatewise.cli", ["numpy", "gatewise.errors", *(name for name in HEAVY if name != "click")]),
        (LAYERS_AND_ALL_UNDER_THEM, [*HEAVY, "scipy", "multiprocessing"]),
        (TRAINING, [*HEAVY, "llvmlite"]),
    ],
    ids=["package", "command line", "layers", "training"],
)
def test_nothing_is_imported_before_it_is_needed(use, left):
    setup = "import sys, gatewise\n" + ("import numpy\n" if "numpy." in use else "")
    script = f"{setup}{use}\nprint(*(name for name in {left} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_is_found_and_a_module_of_that_name_does_not_hide_it():
    script = """
import gatewise.gradcheck, gatewise.examine.child, gatewise as gw
assert all(hasattr(gw, name) for name in gw.__all__) and set(gw.__all__) <= set(dir(gw))
assert not hasattr(gw, "gru") and not hasattr(gw, "_gru")
print(gw.gradcheck.__name__, gw.examine.__name__, gw.layers.__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gradcheck", "examine", "gatewise.layers"]
