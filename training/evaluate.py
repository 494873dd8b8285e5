"""Measure a checkpoint, or pictures made elsewhere, on a dataset, beside copying and the autoencoder's ceiling.

python -m training.evaluate --checkpoint DIR --dataset DIR --split test --out DIR

Works the same under `accelerate launch -m training.evaluate ...` on several processes. Scores are kept in OUT/scores as
they are made: the same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)
from training.evaluation.arguments import positive

HORIZONS = (5, 10, 25, 50, 75, 100)
"""Steps ahead at which a checkpoint that takes a horizon is scored."""
CURVE_PAIRS = 40
"""Pairs per task at each of them, at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    try:
        _evaluate(args)
    except (ValueError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("evaluate: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.splitlines()[0])
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--checkpoint", help='checkpoint folder, the hub id of one, or "shipped"')
    measured.add_argument("--predictions", type=Path, help="folder of TASK/episode{i}_frame{j}.png made elsewhere")
    parser.add_argument("--dataset", type=Path, required=True, help="folder written by training.build_dataset")
    parser.add_argument("--split", default="test", help="split of the dataset")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results.json, results.md, grid.png, pairs.csv, scores/"
    )
    parser.add_argument("--max-pairs", type=int, help="pairs per task, evenly drawn (default: all)")
    parser.add_argument("--steps", type=positive, help="sampling steps (default: the checkpoint's)")
    parser.add_argument("--seed", type=int, default=0, help="of the initial noise")
    parser.add_argument("--prompts", help='a preset ("paper") or a template such as "a robot: {prompt}"')
    parser.add_argument("--batch-size", type=positive, default=8, help="frames predicted at once")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    parser.add_argument(
        "--resolution", type=_resolution, default="camera", help='"camera", or WIDTHxHEIGHT to resize all frames first'
    )
    parser.add_argument(
        "--horizons",
        type=positive,
        nargs="+",
        metavar="STEPS",
        help=f"also score these horizons (default: {', '.join(map(str, HORIZONS))} if the checkpoint knows them)",
    )
    parser.add_argument("--lpips", action="store_true", help="LPIPS too; needs the package lpips")
    return parser.parse_args(arguments)


def _resolution(text: str) -> tuple[int, int] | None:
    """(width, height), or None for the camera's."""
    match = re.fullmatch(r"([0-9]+)x([0-9]+)", text)
    if text != "camera" and not match:
        raise argparse.ArgumentTypeError(f'{text!r} is neither "camera" nor WIDTHxHEIGHT')
    return (int(match[1]), int(match[2])) if match else None


def _evaluate(args: argparse.Namespace) -> None:
    # torch and diffusers take seconds to import: only once the arguments are good.
    from training.evaluation.curves import draw_curve
    from training.evaluation.scoring.measure import MeasureOptions, merge, time_prediction
    from training.evaluation.scoring.processes import this_process
    from training.evaluation.scoring.run import Workplace, load_pairs, score_spec
    from training.evaluation.scoring.scores import summarize
    from training.evaluation.words.run import measure_words, words_results

    pairs = load_pairs(args.dataset, args.split, args.max_pairs)
    options = MeasureOptions(args.steps, args.seed, args.batch_size, args.resolution, args.lpips)
    place = Workplace(args.out / "scores", options, args.device, this_process(args.device))
    specs = _specs(args)
    runs = {name: score_spec(spec, pairs, place, name) for name, spec in specs.items()}
    curve = _measure_horizons(args, pairs, specs, runs["prediction"][1], place)
    words = measure_words(pairs, {name: (specs[name], runs[name][1]) for name in specs}, place, args.max_pairs)
    if place.process.number:
        return
    scores = merge(pairs.rows, {name: values for name, (values, _) in runs.items()})
    predictor = runs["prediction"][1]
    results = _facts(args, pairs.manifest, getattr(predictor, "model", None))
    results["seconds_per_prediction"] = {"single": time_prediction(predictor, pairs.rows[0], options)}
    results["scores"] = summarize(scores)
    if curve:
        results["horizons"] = [asdict(point) for point in curve]
        draw_curve(args.out / "horizons.png", "Steps ahead", "horizon", curve)
    if words:
        results["words"] = words_results(words, pairs)
        _draw_words(args.out, words, predictor, options)
    _write(args.out, results, scores, predictor, pairs.manifest, options)


def _measure_horizons(args: argparse.Namespace, pairs, specs: dict[str, Any], predictor, place) -> list:
    """Scores at other horizons, of all that predicts: `CurvePoint`s."""
    from training.evaluation.horizons import measure_horizons

    shortest, longest = predictor.horizons or (0, 0)
    known = [steps for steps in HORIZONS if shortest <= steps <= longest] if shortest < longest else []
    horizons = args.horizons or known
    predicting = {name: spec for name, spec in specs.items() if name != "reconstruction"}
    return measure_horizons(pairs, horizons, predicting, place, min(args.max_pairs or CURVE_PAIRS, CURVE_PAIRS))


def _specs(args: argparse.Namespace) -> dict[str, Any]:
    from training.evaluation.predictors.specs import AutoencoderCeilingSpec, CheckpointSpec, CopyingSpec, PicturesSpec
    from training.evaluation.scoring.measure import WITH_PAST

    if args.predictions:
        return {"prediction": PicturesSpec(args.predictions), "copy": CopyingSpec()}
    spec = CheckpointSpec(args.checkpoint, steps=args.steps, seed=args.seed, prompts=args.prompts)
    specs = {"prediction": spec}
    if _takes_past(args.checkpoint):
        specs[WITH_PAST] = replace(spec, history=True)
    return specs | {"copy": CopyingSpec(), "reconstruction": AutoencoderCeilingSpec(args.checkpoint)}


def _takes_past(checkpoint: str) -> bool:
    from framepred_ros.prediction.checkpoint import named_checkpoint, read_checkpoint_info

    return bool(read_checkpoint_info(named_checkpoint(checkpoint)).history)


def _facts(args: argparse.Namespace, manifest, model) -> dict[str, Any]:
    from training.evaluation.report import dataset_facts, environment

    return {
        "checkpoint": str(args.checkpoint or args.predictions),
        "dataset": dataset_facts(args.dataset, manifest, args.split),
        "split": args.split,
        "max_pairs_per_task": args.max_pairs,
        "resolution": list(args.resolution or manifest.image_size),
        "steps": args.steps,
        "seed": args.seed,
        "prompts": args.prompts,
        **environment(str(model.device) if model else "cpu"),
    }


def _draw_words(out: Path, words, predictor, options) -> None:
    from training.evaluation.words.pictures import write_choices

    if "prediction" in words.values:
        out.mkdir(parents=True, exist_ok=True)
        write_choices(out / "words.png", words, "prediction", predictor, options)


def _write(out: Path, results: dict[str, Any], scores, predictor, manifest, options) -> None:
    from framepred_ros.tables import print_tables
    from training.evaluation.grid import write_grid
    from training.evaluation.predictors.base import read_pair
    from training.evaluation.report import console_table, results_text, write_results

    def pictures_of(row):
        pair = read_pair(row, options.size, predictor.history)
        return pair.current, predictor.predict([pair])[0].picture, pair.truth

    write_results(out, results, results_text(results), scores)
    horizon = f"{manifest.horizon} steps ({manifest.horizon * manifest.step_duration:g} s)"
    write_grid(out / "grid.png", scores, pictures_of, horizon)
    print_tables(console_table(results["scores"]))
    print(f"Written to {out}: results.json, results.md, grid.png, pairs.csv")


if __name__ == "__main__":
    sys.exit(main())
