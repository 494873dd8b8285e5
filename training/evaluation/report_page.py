"""report.html: tables, curves and a viewer of samples in one file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader

from framepred_ros.files import write_text
from training.evaluation.comparison_text import facts_text, tables
from training.evaluation.predictors.base import Pair, Predictor, read_pair
from training.evaluation.report import CAPTION
from training.evaluation.scoring.measure import wanted_history
from training.evaluation.scoring.scores import PairScore

WORST, BEST = 3, 2  # samples per task
_JPEG_QUALITY = 80
_WIDTH = 320  # of the pictures in the report, pixels at most
_TEMPLATE = "report_template.html"


def write_report(
    out: Path,
    results: dict[str, Any],
    scores: Sequence[PairScore],
    predictors: Mapping[str, Predictor],
    featured: str,
    figures: Mapping[str, Sequence[Path]],
    words: dict[str, Any] | None = None,
) -> None:
    """Writes `out/report.html`.

    Args:
        results: of `training.compare`, as in results.json.
        scores: of all pairs.
        predictors: by name; each predicts the samples once more, for the pictures.
        featured: the predictor by whose SSIM samples are worst and best.
        figures: PNG files to put in, by heading.
        words: what the viewer of choices shows (`words.viewer.words_viewer`); None is no such viewer.
    """
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True).get_template(_TEMPLATE)
    html = page.render(
        title=results["title"],
        facts=facts_text(results),
        caption=CAPTION,
        tables=list(tables(results)),
        figures={heading: [_inline(path, "png") for path in paths] for heading, paths in figures.items() if paths},
        words=words,
        viewer={
            "predictors": list(predictors),
            "featured": featured,
            "samples": [
                _sample(label, score, predictors) for label, score in worst_and_best(scores, featured, WORST, BEST)
            ],
        },
    )
    write_text(out / "report.html", html)


def worst_and_best(scores: Sequence[PairScore], subject: str, worst: int, best: int) -> Iterator[tuple[str, PairScore]]:
    """Per task the pairs with the lowest and the highest SSIM of a subject, each of another episode where possible."""
    for task in sorted({score.row.task for score in scores}):
        ranked = sorted((s for s in scores if s.row.task == task), key=lambda score: score.values[subject]["ssim"])
        low = _of_different_episodes(ranked, worst)
        high = _of_different_episodes([score for score in reversed(ranked) if score not in low], best)
        yield from ((f"worst {index + 1}", score) for index, score in enumerate(low))
        yield from ((f"best {index + 1}", score) for index, score in enumerate(high))


def _of_different_episodes(ranked: Sequence[PairScore], count: int) -> list[PairScore]:
    """The first pair of each episode, in rank order, then what else is needed for `count`."""
    firsts = list({score.row.episode: score for score in reversed(ranked)}.values())
    firsts.sort(key=ranked.index)
    return [*firsts, *(score for score in ranked if score not in firsts)][:count]


def _sample(label: str, score: PairScore, predictors: Mapping[str, Predictor]) -> dict[str, Any]:
    row = score.row
    pair = read_pair(row, None, wanted_history(predictors.values()))
    return {
        "label": f"{row.task}, {label}: episode {row.episode}, frame {row.frame}",
        "prompt": row.prompt,
        "now": jpeg_uri(pair.current),
        "truth": jpeg_uri(pair.truth),
        "predictions": {
            name: {"ssim": score.values[name]["ssim"], "psnr": score.values[name]["psnr"], **_pictures(each, pair)}
            for name, each in predictors.items()
        },
    }


def _pictures(predictor: Predictor, pair: Pair) -> dict[str, str]:
    predicted = predictor.predict([pair])[0].picture
    error = np.abs(predicted.astype(np.int16) - pair.truth).mean(axis=2).clip(0, 127) * 2
    coloured = cv2.applyColorMap(error.astype(np.uint8), cv2.COLORMAP_MAGMA)
    return {"predicted": jpeg_uri(predicted), "error": jpeg_uri(coloured[:, :, ::-1])}


def jpeg_uri(picture: np.ndarray) -> str:
    """A picture, uint8 RGB (H, W, 3), as a `data:` address, at most `_WIDTH` wide."""
    height, width = picture.shape[:2]
    if width > _WIDTH:
        picture = cv2.resize(picture, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _inline(path: Path, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()
