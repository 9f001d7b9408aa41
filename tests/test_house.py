"""The measures of the house: functions and files that a person can read in one go."""

import ast
from functools import cache
from pathlib import Path

import pytest

import gatewise

ROOT = Path(gatewise.__file__).parent
TESTS = Path(__file__).parent
LINES = 40  # of a function, its docstring not counted
ARGUMENTS = 10  # of a function that is neither a constructor nor a command nor in `PUBLIC`
FILE = 400  # lines
PUBLIC = ("train", "train_stream", "report", "classify", "regress")  # public functions whose many arguments are options

# What is above a measure, and why. A row that is no longer needed fails, so that these tables only shrink.
LONG: dict[str, str] = {}
MANY: dict[str, str] = {}
TALL: dict[str, str] = {}
TALL_TESTS: dict[str, str] = {}


def functions(tree, prefix=""):
    """`(qualified name, node)` of every function and method, those inside others too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from functions(node, f"{prefix}{node.name}." if named else prefix)


def lines(function):
    """Lines from `def` to the last one; not those of the docstring, nor the signature where that lists options."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function, clean=False) is not None else 0
    return function.end_lineno - (first.lineno if is_exempt(function) else function.lineno) + 1 - docstring


def arguments(function):
    """How many arguments a caller can give."""
    signature = function.args
    parameters = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs]
    parameters += filter(None, [signature.vararg, signature.kwarg])
    return len([parameter for parameter in parameters if parameter.arg not in ("self", "cls")])


def is_exempt(function):
    """Whether its arguments are options: a constructor, a command, `train` and `report`."""
    decorators = " ".join(map(ast.unparse, function.decorator_list))
    return function.name in ("__init__", "__new__", *PUBLIC) or "click." in decorators or ".command(" in decorators


def texts(root):
    """Every file of Python under `root`: its place there to its text."""
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py"))}


def tall(root):
    """Files that are too long: name to number of lines."""
    counts = {place: len(text.splitlines()) for place, text in texts(root).items()}
    return {place: count for place, count in counts.items() if count > FILE}


def measured(root):
    """Three dicts, name to number: functions too long, with too many arguments, and files too long."""
    long, many = {}, {}
    for place, text in texts(root).items():
        for name, function in functions(ast.parse(text)):
            if lines(function) > LINES:
                long[f"{place}: {name}"] = lines(function)
            if arguments(function) > ARGUMENTS and not is_exempt(function):
                many[f"{place}: {name}"] = arguments(function)
    return long, many, tall(root)


@cache
def of_the_house():
    """What the package itself measures, read once."""
    return measured(ROOT)


@pytest.mark.parametrize("number", range(4), ids=["functions", "arguments", "files", "files of tests"])
def test_only_what_is_listed_is_above_the_measure(number):
    above, listed = (*of_the_house(), tall(TESTS))[number], (LONG, MANY, TALL, TALL_TESTS)[number]
    assert {name: size for name, size in above.items() if name not in listed} == {}, "split it"
    assert [name for name in listed if name not in above] == [], "it no longer is: take it from the table"
    assert all(listed.values()), "say why"


def test_what_is_too_large_is_seen(tmp_path):
    def function(name, statements, parameters=1, decorator=""):
        names = ", ".join(f"a{k}" for k in range(parameters))
        return f'{decorator}def {name}({names}):\n    """Say.\n\n    More.\n    """\n' + "    a0 = 1\n" * statements

    inner = function("inner", 40).replace("\n", "\n    ")
    files = {
        "short.py": function("f", 39, 10) + function("__init__", 40, 11) + function("go", 40, 11, "@click.command()\n"),
        "long.py": function("f", 40) + function("__init__", 41) + f"class A:\n    {inner}\n",
        "many.py": function("f", 1, 11) + "def g(self, a, b, /, c, d, e, f, g, *h, i, j, **k): ...\n",
        "tall.py": "\n" * 401,
        "room/full.py": "\n" * 400,
    }
    (tmp_path / "room").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert measured(tmp_path) == (
        {"long.py: f": 41, "long.py: __init__": 41, "long.py: A.inner": 41},
        {"many.py: f": 11, "many.py: g": 11},
        {"tall.py": 401},
    )


def test_tests_have_the_rooms_of_the_house_and_names_of_their_own():
    files = list(TESTS.rglob("test_*.py"))
    rooms = {path.relative_to(TESTS).parts[0] for path in files if path.parent != TESTS}
    assert rooms <= {path.stem for path in ROOT.iterdir()}
    assert len({path.name for path in files}) == len(files), "two files of one name cannot be collected together"
