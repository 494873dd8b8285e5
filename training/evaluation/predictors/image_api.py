"""An image-editing web API of the DALL-E kind, through the official `openai` client.

The key and, for other servers, the address come from the environment: OPENAI_API_KEY, OPENAI_BASE_URL.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from framepred_ros.encoded_pictures import PictureError, read_picture
from framepred_ros.files import write_bytes
from training.dataset.index import Row
from training.evaluation.predictors.base import Pair, Prediction, Predictor, read_pair
from training.evaluation.predictors.prompts import word_prompt

_RETRIES = 5


def ask(question: str) -> bool:
    """Asks on the terminal; True for yes. Without a terminal the answer is no, unless FRAMEPRED_ASSUME_YES is set."""
    print(question, file=sys.stderr)
    if os.environ.get("FRAMEPRED_ASSUME_YES"):
        return True
    return sys.stdin.isatty() and input("Go on? [y/N] ").strip().lower() in ("y", "yes")


class ImageApi(Predictor):
    """Sends the frame and the wording of its instruction to `images.edit`, and keeps every answer on disk.

    The API wants squares: the frame goes out letterboxed and the answer is cut back to its shape.

    Args:
        model: the API's name of the model.
        price: US dollars an image, for the estimate shown before anything is spent.
        prompts: see `word_prompt`.
        size: of the answer, as the API writes it.
        cache: folder of answers, named by a hash of all that was sent; never asked twice for the same.
        confirm: shown the estimate, decides whether to go on.
    """

    takes_words = False  # every answer costs, and a choice would take twelve

    def __init__(
        self,
        model: str,
        price: float,
        prompts: str | None = "paper",
        size: str = "1024x1024",
        cache: Path = Path("image_api_cache"),
        confirm: Callable[[str], bool] = ask,
    ):
        self.model, self.price, self.prompts, self.size = model, price, prompts, size
        self.cache, self.confirm = cache, confirm

    def prepare(self, rows: Sequence[Row], size: tuple[int, int] | None) -> None:
        """Raises ValueError when the client is not installed, there is no key, or the cost is not agreed to."""
        self._load_client()
        checked = tqdm(rows, desc="looking into the cache", leave=False, disable=None)
        missing = sum(not self._path(*self._request(read_pair(row, size))).is_file() for row in checked)
        estimate = f"{self.model}: {missing} of {len(rows)} images to ask for, about {missing * self.price:.2f} USD."
        if missing and not self.confirm(estimate):
            raise ValueError(f"{estimate} Not agreed to: answer y, or set FRAMEPRED_ASSUME_YES=1")

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        return [Prediction(_crop(self._answer(pair), pair.current.shape[:2])) for pair in pairs]

    def _answer(self, pair: Pair) -> np.ndarray:
        frame, prompt = self._request(pair)
        path = self._path(frame, prompt)
        if not path.is_file():
            self.cache.mkdir(parents=True, exist_ok=True)
            write_bytes(path, self._ask(frame, prompt))
        try:
            return cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2RGB)
        except PictureError as error:
            path.unlink()
            problem = f"answered with something that is no picture, for the prompt {prompt!r}: {error}"
            raise ValueError(f"{self.model} {problem}") from error

    def _request(self, pair: Pair) -> tuple[bytes, str]:
        square = cv2.imencode(".png", cv2.cvtColor(_letterbox(pair.current), cv2.COLOR_RGB2BGR))[1]
        return square.tobytes(), word_prompt(self.prompts, pair.row)

    def _path(self, frame: bytes, prompt: str) -> Path:
        sent = "\0".join([self.model, self.size, prompt]).encode() + b"\0" + frame
        return self.cache / f"{hashlib.sha256(sent).hexdigest()}.png"

    def _ask(self, frame: bytes, prompt: str) -> bytes:
        import openai

        # The DALL-E models answer with an address unless told otherwise; the GPT models know no other answer than this.
        extra = {"response_format": "b64_json"} if self.model.startswith("dall-e") else {}
        try:
            answer = self._load_client().images.edit(
                model=self.model, image=("frame.png", frame, "image/png"), prompt=prompt, size=self.size, n=1, **extra
            )
        except openai.OpenAIError as error:
            raise ValueError(f"{self.model} could not be asked: {error}") from error
        if not answer.data or not answer.data[0].b64_json:
            raise ValueError(f"{self.model} answered without a picture, for the prompt {prompt!r}")
        return base64.b64decode(answer.data[0].b64_json)

    def _load_client(self):
        try:
            import openai
        except ImportError:
            raise ValueError("the image API needs the package openai: pip install 'framepred_ros[openai]'") from None
        try:
            return openai.OpenAI(max_retries=_RETRIES)
        except openai.OpenAIError as error:
            raise ValueError(f"the image API needs a key in the environment, OPENAI_API_KEY: {error}") from None


def _letterbox(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return cv2.copyMakeBorder(
        frame, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )


def _crop(square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Undoes `_letterbox` for a frame of the shape (height, width)."""
    height, width = shape
    side = max(shape)
    resized = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
    top, left = (side - height) // 2, (side - width) // 2
    return np.ascontiguousarray(resized[top : top + height, left : left + width])
