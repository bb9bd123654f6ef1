"""The plan of the house: which module may import which, how many there are.

Read from the source, so that imports inside functions count too. Those that only a type checker
follows do not: they are never carried out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "distill_lessons"
MOST_AT_THE_ROOT = 20
MOST_LINES = 300

# From the ground up. A name stands for a module, or for a package with all of its modules but
# those that are named themselves. An import goes down, or stays within one package.
FLOORS = [
    {"sources.catalogue", "sources.readers", "sources.record", "sources.__init__"},
    {"page", "files", "__init__"},
    {"course.atlas", "course.hosted", "course.__init__"},
    {"settings", "seeds"},
    {"tensors", "claims", "progress", "asking"},
    {"sources"},
    {"data"},
    {
        "losses",
        "augmentation",
        "checkpoints",
        "fast.__init__",
        "fast.captured",
        "fast.optimisers",
        "fast.watching",
    },
    {"evaluation", "teachers"},
    {"objectives"},
    {"models", "training"},
    {"fast", "text", "whitebox"},
    {"distillation", "explain", "robust", "deploy"},
    {"fast.stacking", "fast.repeats", "plots", "senses", "uses", "detection"},
    {"sweep", "vision"},
    {"paper", "faults", "capstone"},
    {"exercises"},
    {"predictions", "course.lessons", "course.running"},
    {"grading"},
    {"course"},
    {"__main__", "paper.__main__"},
]


def modules() -> dict[str, Path]:
    """Return the modules by name below the package; a package's own is ``NAME.__init__``."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()


def named(dotted: str) -> str | None:
    """Return the module that a dotted name such as ``distill_lessons.fast`` means, or None."""
    name = dotted.removeprefix("distill_lessons").removeprefix(".")
    package = f"{name}.__init__".removeprefix(".")
    return name if name in MODULES else package if package in MODULES else None


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, apart from blocks that are for type checkers."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            child = ast.Module(child.orelse, [])
        yield from executed(child)


def imported(tree: ast.Module) -> Iterator[str]:
    for node in executed(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
            dotted = [name if named(name) else str(node.module) for name in dotted]
        else:
            continue
        yield from (name for name in dotted if name.split(".")[0] == "distill_lessons")


def package_of(module: str) -> str:
    return module.rpartition(".")[0]


def graph() -> dict[str, set[str]]:
    """Return what each module imports; from outside a package also the package's own module."""
    edges: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        targets = {named(name) for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
        assert None not in targets, module
        edges[module] = {str(target) for target in targets} - {module}
        for target in list(edges[module]):
            front = f"{target.split('.')[0]}.__init__"
            if front in MODULES and module.split(".")[0] != target.split(".")[0]:
                edges[module].add(front)
    # The catalogue imports the exercises by name.
    edges["exercises.catalogue"] |= {name for name in MODULES if ".bank." in name}
    return edges


GRAPH = graph()


def floor(module: str) -> int:
    """Return the floor that a module stands on: its own, or else that of its package."""
    name = module
    while name:
        for number, names in enumerate(FLOORS):
            if name in names:
                return number
        name = package_of(name)
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS")


def test_every_name_on_a_floor_is_a_module_or_package() -> None:
    for name in set().union(*FLOORS):
        assert name in MODULES or any(module.startswith(f"{name}.") for module in MODULES), name
    assert sum(map(len, FLOORS)) == len(set().union(*FLOORS))


def test_no_import_goes_in_a_circle() -> None:
    assert len(list(TopologicalSorter(GRAPH).static_order())) == len(MODULES)


def test_no_import_goes_up() -> None:
    up = [
        f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})"
        for module, targets in GRAPH.items()
        for target in targets
        if floor(target) > floor(module)
        or (floor(target) == floor(module) and module.split(".")[0] != target.split(".")[0])
    ]
    assert up == []


def test_a_module_takes_nothing_from_its_own_packages_front() -> None:
    """What a package's own module gathers is for those outside: inside, it is not yet loaded."""
    taken = [
        (module, target)
        for module, targets in GRAPH.items()
        for target in targets
        if target.endswith(".__init__") and module.startswith(f"{package_of(target)}.")
    ]
    assert taken == []


def test_the_root_is_small() -> None:
    at_the_root = [name for name in MODULES if "." not in name and name != "__init__"]
    assert len(at_the_root) <= MOST_AT_THE_ROOT, at_the_root


def test_no_module_is_long() -> None:
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()
    }
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}
