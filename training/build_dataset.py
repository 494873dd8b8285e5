"""Build a dataset of (frame i, instruction, frame i + horizon) pairs from robot episodes.

python -m training.build_dataset SOURCE... --out DIR [--horizon 50] [--workers N]
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.dataset.builder import BuildOptions, BuildResult, build_dataset
from training.dataset.collection import EpisodeCollection, collect
from training.dataset.index import DatasetError
from training.dataset.options import EMBEDDED_FORMS, PRESETS, SPLITS_BY, TAILS, DatasetOptions
from training.dataset.report import print_report
from training.dataset.workers import LOCAL_RAY, WorkerError, make_runner
from training.episodes import FORMATS, EpisodeError, SourceOptions
from training.episodes.reader import CHANNEL_ORDERS, GROUP_COLUMNS

_PROGRAM = "build_dataset"
_OF_TASK = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    started = time.monotonic()
    try:
        options = DatasetOptions(**PRESETS.get(args.preset, {}) | _given(args, DatasetOptions))
        # Absolute, because a cluster's workers run in another folder.
        sources = [path.absolute() for path in args.sources] if args.ray else args.sources
        collection = collect(sources, _source_options(args), args.format, args.train_only)
        result = _build(collection, options, args)
    except (EpisodeError, DatasetError, ValueError, OSError) as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 1
    except WorkerError as error:
        print(f"{_PROGRAM}: {error}; run again to continue", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{_PROGRAM}: interrupted; run again to continue", file=sys.stderr)
        return 130
    print_report(result, args.out, time.monotonic() - started)
    return 0


def _build(collection: EpisodeCollection, options: DatasetOptions, args: argparse.Namespace) -> BuildResult:
    frames = sum(map(len, collection.episodes))
    with tqdm(total=frames, unit="frame", desc="frames", disable=None) as bar:
        build = BuildOptions(
            skip_bad=args.skip_bad,
            embed=tuple(args.embed),
            runner=make_runner(args.workers, args.ray),
            on_episode=lambda episode: bar.update(len(episode)),
        )
        return build_dataset(collection, args.out, options, build)


def _source_options(args: argparse.Namespace) -> SourceOptions:
    """Those on the command line. Raises ValueError for two instructions for the same episodes."""
    given = _given(args, SourceOptions)
    sentences: dict[str | None, str] = {}
    for text in given.pop("instruction", ()):
        match = _OF_TASK.fullmatch(text)
        task, sentence = match.groups() if match else (None, text)
        if task in sentences:
            raise ValueError(f"--instruction: two for {'all episodes' if task is None else f'the task {task}'}")
        sentences[task] = sentence
    common = sentences.pop(None, None)
    return SourceOptions(**given, instruction=common, task_instructions=tuple(sentences.items()))


def _given(args: argparse.Namespace, options: type) -> dict[str, Any]:
    """The options of a dataclass that are on the command line."""
    return {field.name: getattr(args, field.name) for field in fields(options) if hasattr(args, field.name)}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    # Options of the dataclasses are absent from the result unless given: the dataclasses know the defaults.
    parser = argparse.ArgumentParser(
        prog="python -m training.build_dataset",
        description=__doc__.splitlines()[0],
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="folder or file with episodes")
    parser.add_argument("--out", type=Path, required=True, help="dataset folder; a second run adds what is missing")
    _add_source_options(parser.add_argument_group("reading the sources"))
    _add_pair_options(parser.add_argument_group("pairs and their frames"))
    _add_split_options(parser.add_argument_group("split and draws"))
    _add_work_options(parser.add_argument_group("work"))
    return parser.parse_args(arguments)


def _add_source_options(group: argparse._ArgumentGroup) -> None:
    defaults = SourceOptions()
    group.add_argument("--format", choices=tuple(FORMATS), default=None, help="of all sources; detected by default")
    group.add_argument("--skip-bad", action="store_true", default=False, help="leave out unreadable episodes")
    group.add_argument("--camera", help="key of the camera (default: the format's head camera)")
    group.add_argument("--image-topic", help="of a bag (default: its only image topic)")
    group.add_argument("--instruction-topic", help="of a bag (default: its only std_msgs/String topic)")
    instruction = (
        "for all episodes, in place of what the sources say or lack; TASK=SENTENCE: for this task (several times)"
    )
    group.add_argument("--instruction", action="append", metavar="[TASK=]SENTENCE", help=instruction)
    group.add_argument("--task", help="for formats without task names (default: the folder's name)")
    group.add_argument("--fps", type=float, metavar="HZ", help="resample bags and LeRobot datasets to this rate")
    order = "of RoboTwin HDF5 pictures that bear no mark: swapped (bgr) or standard (rgb); "
    order += f"default: {defaults.channel_order}"
    group.add_argument("--channel-order", choices=CHANNEL_ORDERS, help=order)
    column = f"of ready pairs: rows with one value stay in one split (default: {', '.join(GROUP_COLUMNS)}, if there)"
    group.add_argument("--group-column", metavar="NAME", help=column)
    group.add_argument("--max-gap", type=float, metavar="S", help=f"a longer gap splits a bag ({defaults.max_gap})")


def _add_pair_options(group: argparse._ArgumentGroup) -> None:
    defaults = DatasetOptions()
    horizon = f"steps between the frames of a pair, also of ready pairs ({defaults.horizon})"
    group.add_argument("--horizon", type=int, help=horizon)
    group.add_argument("--stride", type=int, help=f"steps from one pair to the next ({defaults.stride})")
    tail = f"pairs beyond the last full horizon: none, or with the last frame ({defaults.tail})"
    group.add_argument("--tail", choices=TAILS, help=tail)
    phrasings = f"different phrasings per pair, each a row ({defaults.instructions_per_pair})"
    group.add_argument("--instructions-per-pair", type=int, metavar="K", help=phrasings)
    group.add_argument("--jpeg-quality", type=int, help=f"1 to 100 ({defaults.jpeg_quality})")


def _add_split_options(group: argparse._ArgumentGroup) -> None:
    defaults = DatasetOptions()
    group.add_argument("--preset", choices=tuple(PRESETS), default=None, help="the paper's scale and its split by pair")
    group.add_argument("--max-pairs", type=int, metavar="N", help="draw N pairs of all")
    split = f"what goes to train or test as a whole ({defaults.split_by}); by pair leaks"
    group.add_argument("--split-by", choices=SPLITS_BY, help=split)
    only = "one of the sources, whose episodes are all for training (may be given several times)"
    group.add_argument("--train-only", type=Path, action="append", default=[], metavar="SOURCE", help=only)
    fraction = f"of each task's episodes, or of the pairs ({defaults.test_fraction})"
    group.add_argument("--test-fraction", type=float, help=fraction)
    group.add_argument("--balance-tasks", action="store_true", help="equally many training pairs of every task")
    group.add_argument("--max-train-samples", type=int, metavar="N", help="draw N training pairs")
    group.add_argument("--seed", type=int, help=f"of split, draws and phrasings ({defaults.seed})")


def _add_work_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--workers", type=int, default=1, help="processes that convert episodes (1)")
    ray = f"convert on a Ray cluster that shares the file system; {LOCAL_RAY} starts one here, of --workers processors"
    group.add_argument("--ray", default=None, metavar="ADDRESS", help=ray)
    embed = "also write the rows with their pictures in them: parquet (default) for the Hub, arrow for load_from_disk"
    group.add_argument(
        "--embed", nargs="?", const="parquet", action="append", choices=EMBEDDED_FORMS, default=[], help=embed
    )


if __name__ == "__main__":
    sys.exit(main())
