"""How the package is built: rooms, the arrows between them, and files that can be read at a sitting.

A room is a folder of modules. `ARROWS` names every room and the rooms that it may import; the rooms stand from the
bottom up, so nothing can import in a circle. docs/architecture.md says what each room is for.
"""

import ast
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE, LONGEST_FUNCTION = 400, 55  # lines

RUNTIME = ("framepred_ros", "framepred_ros.prediction")
ARROWS = {
    # The runtime. Its root holds what all rooms share, and the commands.
    "framepred_ros.ros": (),
    "framepred_ros.prediction": ("framepred_ros",),
    "framepred_ros.prediction.light": RUNTIME,
    "framepred_ros.monitoring": ("framepred_ros",),
    "framepred_ros.replay": ("framepred_ros", "framepred_ros.ros"),
    "framepred_ros.node": (*RUNTIME, "framepred_ros.prediction.light", "framepred_ros.monitoring", "framepred_ros.ros"),
    "framepred_ros.demo": (*RUNTIME, "framepred_ros.replay", "framepred_ros.ros"),
    # The workshop.
    "training.episodes": ("framepred_ros", "framepred_ros.replay", "framepred_ros.ros"),
    "training.simulation.stage": (),
    "training.simulation.tasks": ("training.simulation.stage",),
    "training.simulation.table": ("training.simulation.stage", "training.simulation.tasks"),
    "training.simulation": (
        "framepred_ros",
        "framepred_ros.ros",
        "training.episodes",
        "training.simulation.stage",
        "training.simulation.tasks",
        "training.simulation.table",
    ),
    "training.dataset": ("framepred_ros", "training.episodes"),
    "training.inspection": ("framepred_ros", "training.dataset"),
    "training.evaluation.predictors": (*RUNTIME, "training.dataset"),
    "training.evaluation.scoring": (*RUNTIME, "training.dataset", "training.evaluation.predictors"),
    "training.evaluation.words": (
        "framepred_ros",
        "training.episodes",
        "training.dataset",
        "training.evaluation.predictors",
        "training.evaluation.scoring",
    ),
    "training.evaluation": (
        "framepred_ros",
        "training.dataset",
        "training.evaluation.predictors",
        "training.evaluation.scoring",
        "training.evaluation.words",
    ),
    "training.trainer": (*RUNTIME, "training.dataset", "training.evaluation.scoring", "training.evaluation"),
    "training.small": (*RUNTIME, "training.trainer"),
    "training.full": ("framepred_ros.prediction", "training.trainer"),
    "training.distillation": (*RUNTIME, "training.trainer", "training.full"),
    "training.runs": (
        *RUNTIME,
        "training.dataset",
        "training.evaluation.predictors",
        "training.evaluation.scoring",
        "training.trainer",
        "training.small",
        "training.full",
        "training.distillation",
    ),
}
FACTORY = "framepred_ros.prediction.predictor"
MADE = {
    "framepred_ros.prediction.torch_predictor",
    "framepred_ros.prediction.light.choice",
    "framepred_ros.prediction.light.predictor",
}
"""`FramePredictor.from_pretrained` makes the kind of itself that fits a checkpoint: the only arrows that run up."""
SHARED = {"__init__", "files", "metrics", "patch_autoencoder", "pictures", "tables"}
"""What rooms may import from the runtime's root; the rest of it is commands."""
COMMANDS = {"build_dataset", "compare", "distill", "evaluate", "export_bag", "inspect_dataset", "simulate", "train"}
TOP = ("framepred_ros", "training", "benchmarks")


@lru_cache
def modules() -> dict[str, Path]:
    """All modules of the package, the workshop and the benchmarks by their dotted names."""
    return {_name(path): path for top in TOP for path in sorted((ROOT / top).rglob("*.py"))}


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
    for node in ast.walk(ast.parse(path.read_text())):
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


def test_rooms_are_listed_from_the_bottom_up():
    seen = {"framepred_ros"}
    for name, below in ARROWS.items():
        assert set(below) <= seen, f"{name} stands below what it imports: {set(below) - seen}"
        seen.add(name)
    unknown = {room(module) for module in modules()} - seen - {"training", "benchmarks"}
    assert not unknown, f"give these rooms lines in ARROWS: {sorted(unknown)}"


@pytest.mark.parametrize("name", ARROWS)
def test_a_room_imports_what_it_may(name):
    found = defaultdict(list)
    for module in (each for each in modules() if room(each) == name):
        for imported, line in imports()[module].items():
            found[room(imported)].append(f"{modules()[module].relative_to(ROOT)}:{line}")
            if room(imported) == "framepred_ros":
                assert modules()[imported].stem in SHARED, f"{module} imports the command {imported}"
    allowed = {name, *ARROWS[name]}
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
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{name}:{node.lineno}: {node.name} has {lines} lines"
