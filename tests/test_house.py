"""The house rules that a machine can check: who may import what, and the shape of functions."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import napari_clipseg

ROOT = Path(napari_clipseg.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]

FLOOR = {
    "errors": 0,
    "atomic": 1,
    "model": 2,
    "engine": 3,
    "train": 4,
    "io": 4,
    "layers": 4,
    "cluster": 4,
    "evaluate": 5,
    "widget": 6,
    "cli": 6,
}
"""A room may import itself and the rooms of lower floors."""

LIBRARY_ROOMS = {
    "torch": {"model", "engine", "train", "evaluate"},
    "open_clip": {"model", "train"},
    "napari": {"layers", "widget", "io.samples"},
    "qtpy": {"widget"},
    "superqt": {"widget"},
    "magicgui": {"widget"},
    "click": {"cli"},
    "distributed": {"cluster"},
    "typer": {"cli"},
}

QT_BINDINGS = {"PyQt5", "PyQt6", "PySide2", "PySide6"}

LONGEST_BODY = 40

WITHOUT_TORCH = [
    "cli",
    "engine.competition",
    "engine.labels",
    "engine.pixels",
    "engine.presence",
    "engine.prompts",
    "engine.recipe",
    "engine.region",
    "engine.templates",
    "engine.tiling",
    "engine.visual_prompt",
    "io.demo",
    "io.opening",
    "io.overlay",
    "io.tiff",
    "model.catalog",
    "model.config",
    "model.weights",
]
"""Modules that fill a menu, a form or an error message, for which nobody waits seconds."""


class Import(NamedTuple):
    module: str
    only_for_types: bool


def imports_of(path: Path) -> list[Import]:
    return list(_imports(ast.parse(path.read_text()), False))


def _imports(node: ast.AST, only_for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, only_for_types) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (Import(f"{node.module}.{each.name}", only_for_types) for each in node.names)
    guarded = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, only_for_types or guarded)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} - {"__init__"} <= set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_only_rooms_of_lower_floors(path):
    room = room_of(path)
    if room == "__init__":
        return
    for imported, _ in imports_of(path):
        package, _, rest = imported.partition(".")
        if package != "napari_clipseg" or rest == "__version__":
            continue
        other = rest.split(".")[0]
        assert other in FLOOR, f"{imported}: the public names are for users, import their home"
        assert other == room or FLOOR[other] < FLOOR[room], imported


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_libraries_only_where_they_belong(path):
    home = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for imported, only_for_types in imports_of(path):
        rooms = LIBRARY_ROOMS.get(imported.split(".")[0])
        if rooms is not None and not only_for_types:
            assert {room_of(path), home} & rooms, imported


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_no_qt_binding_directly(path):
    assert not {imported.split(".")[0] for imported, _ in imports_of(path)} & QT_BINDINGS


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_are_short_and_finished(path):
    for function in functions_of(path):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert length <= LONGEST_BODY, f"{function.name} has {length} lines"
        assert "NotImplementedError" not in ast.unparse(function), function.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_public_functions_say_what_they_return(path):
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in (tree, *(each for each in classes if not each.name.startswith("_"))):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), node.name


def test_what_fills_menus_imports_neither_torch_nor_open_clip():
    widget = [path for path in MODULES if room_of(path) in ("layers", "widget")]
    modules = [f"napari_clipseg.{name}" for name in WITHOUT_TORCH]
    modules += [".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in widget]
    code = f"import sys, {', '.join(modules)}; print({{'torch', 'open_clip'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
