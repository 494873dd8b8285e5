"""How the package is built: rooms, the arrows between them, and files that can be read at a sitting.

A room is a folder of modules. `ARROWS` names every room and the rooms that it may import; the rooms stand from the
bottom up, so nothing can import in a circle. docs/architecture.md says what each room is for.
"""

import ast
from collections import defaultdict
from functools import cache, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE, LONGEST_FUNCTION = 400, 55  # lines

PREDICTION = "framepred_ros.prediction"
EVALUATION = tuple(f"training.evaluation.{name}" for name in ("predictors", "scoring", "words"))
SIMULATION = tuple(f"training.simulation.{name}" for name in ("stage", "tasks", "table"))
LEARNERS = ("training.small", "training.full", "training.distillation")
ARROWS = {
    # The runtime. Its root holds what all rooms may import (SHARED), and the commands.
    "framepred_ros.ros": (),
    "framepred_ros.prediction": (),
    "framepred_ros.prediction.light": (PREDICTION,),
    "framepred_ros.monitoring": (),
    "framepred_ros.replay": ("framepred_ros.ros",),
    "framepred_ros.node": (PREDICTION, f"{PREDICTION}.light", "framepred_ros.monitoring", "framepred_ros.ros"),
    "framepred_ros.demo": (PREDICTION, "framepred_ros.replay", "framepred_ros.ros"),
    # The workshop.
    "training.episodes": ("framepred_ros.replay", "framepred_ros.ros"),
    "training.simulation.stage": (),
    "training.simulation.tasks": SIMULATION[:1],
    "training.simulation.table": SIMULATION[:2],
    "training.simulation": (*SIMULATION, "framepred_ros.ros", "training.episodes"),
    "training.metaworld": ("training.simulation.stage", "training.simulation"),
    "training.dataset": ("training.episodes",),
    "training.inspection": ("training.dataset",),
    "training.evaluation.predictors": (PREDICTION, "training.dataset"),
    "training.evaluation.scoring": (PREDICTION, "training.dataset", *EVALUATION[:1]),
    "training.evaluation.words": ("training.episodes", "training.dataset", *EVALUATION[:2]),
    "training.evaluation": ("training.dataset", *EVALUATION),
    "training.trainer": (PREDICTION, "training.dataset", *EVALUATION[:2], "training.evaluation"),
    "training.small": (PREDICTION, "training.trainer"),
    "training.full": (PREDICTION, "training.trainer"),
    "training.distillation": (PREDICTION, "training.trainer", "training.full"),
    "training.runs": (PREDICTION, "training.dataset", *EVALUATION[:2], "training.trainer", *LEARNERS),
}
FACTORY = "framepred_ros.prediction.predictor"
MADE = {
    "framepred_ros.prediction.torch_predictor",
    "framepred_ros.prediction.light.choice",
    "framepred_ros.prediction.light.predictor",
}
"""`FramePredictor.from_pretrained` makes the kind of itself that fits a checkpoint: the only arrows that run up."""
SHARED = {"__init__", "encoded_pictures", "files", "metrics", "patch_autoencoder", "pictures", "tables", "workers"}
"""What all rooms may import of the runtime's root; the rest of it is commands."""
COMMANDS = {
    "build_dataset",
    "compare",
    "distill",
    "evaluate",
    "export_bag",
    "inspect_dataset",
    "record_metaworld",
    "simulate",
    "train",
    "tune_compositing",
}
TOP = ("framepred_ros", "training", "benchmarks")


@lru_cache
def modules() -> dict[str, Path]:
    """All modules of the package, the workshop and the benchmarks by their dotted names."""
    return {_name(path): path for top in TOP for path in sorted((ROOT / top).rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """The folder that a module lies in."""
    return module if modules()[module].stem == "__init__" else module.rpartition(".")[0]


@lru_cache
def imports() -> dict[str, dict[str, int]]:
    """Of every module, the modules of ours that it imports anywhere, for type checking too, each with a line."""
    found = {module: dict(_imported(path)) for module, path in modules().items()}
    found[FACTORY] = {name: line for name, line in found[FACTORY].items() if name not in MADE}
    return found


def _imported(path: Path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else node.module for name in names]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name in modules())


def test_no_modules_import_in_a_circle():
    waiting = {module: set(imported) - {module} for module, imported in imports().items()}
    while free := [module for module, imported in waiting.items() if not imported & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting, f"in a circle, or above one: {sorted(waiting)}"


def test_imported_names_are_there():
    """Imports inside functions, too, and in benchmarks: no other test may run them."""
    missing = []
    for path in [*modules().values(), *(ROOT / "test").rglob("*.py"), *(ROOT / "launch").glob("*.py")]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in modules():
                names = {alias.name for alias in node.names if f"{node.module}.{alias.name}" not in modules()}
                missing += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in names - bound(node.module)]
    assert not missing


@lru_cache
def bound(module: str) -> set[str]:
    """The names that a module of ours may give: whatever it binds anywhere."""
    names = set()
    for node in ast.walk(tree(modules()[module])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # one that loads on first use is the key of a table
    return names


def test_rooms_are_listed_from_the_bottom_up():
    seen = set()
    for name, below in ARROWS.items():
        assert set(below) <= seen, f"{name} stands below what it imports: {set(below) - seen}"
        seen.add(name)
    unknown = {room(module) for module in modules()} - seen - set(TOP)
    assert not unknown, f"give these rooms lines in ARROWS: {sorted(unknown)}"


@pytest.mark.parametrize("name", ARROWS)
def test_a_room_imports_what_it_may(name):
    found = defaultdict(list)
    for module in (each for each in modules() if room(each) == name):
        for imported, line in imports()[module].items():
            found[room(imported)].append(f"{modules()[module].relative_to(ROOT)}:{line}")
            if room(imported) == "framepred_ros":
                assert modules()[imported].stem in SHARED, f"{module} imports the command {imported}"
    allowed = {name, "framepred_ros", *ARROWS[name]}
    assert not set(found) - allowed, {other: found[other] for other in set(found) - allowed}


def test_the_runtime_never_imports_the_workshop():
    for module, imported in imports().items():
        if module.startswith("framepred_ros"):
            assert not [each for each in imported if not each.startswith("framepred_ros")], module


def test_only_benchmarks_import_benchmarks():
    for module, imported in imports().items():
        if not module.startswith("benchmarks"):
            assert not [each for each in imported if each.startswith("benchmarks")], module


def test_the_root_of_training_holds_commands_only():
    assert {path.stem for path in (ROOT / "training").glob("*.py")} == {"__init__", *COMMANDS}
    users = {
        module: each
        for module, imported in imports().items()
        for each in imported
        if each in {f"training.{command}" for command in COMMANDS} and module != each
    }
    assert not users, "a command is nobody's library"


def test_files_and_functions_can_be_read_at_a_sitting():
    sources = [*modules().values(), *(ROOT / "test").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    for path in sources:
        text = path.read_text()
        name = path.relative_to(ROOT)
        assert text.count("\n") <= LONGEST_FILE, f"{name}: too long a file; give it one subject"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{name}:{node.lineno}: {node.name} has {lines} lines"
