"""JPEG and PNG files to RGB arrays, strictly: a truncated picture is an error, not a picture with a grey end."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from framepred_ros.encoded_pictures import CAMERA_FORMATS, MAX_PIXELS, PictureError, check_picture_size

__all__ = ["MAX_PIXELS", "PictureError", "decode_picture", "decode_whole", "decode_with_comment"]


def decode_picture(data: bytes) -> np.ndarray:
    """The picture in the bytes of a JPEG or PNG file as uint8 (H, W, 3), channels in the order that the file says.

    Raises:
        PictureError: the bytes are something else, damaged or truncated, or a picture of unreasonable size.
    """
    return decode_with_comment(data)[0]


def decode_with_comment(data: bytes) -> tuple[np.ndarray, bytes | None]:
    """The same, and the comment that a JPEG file bears (its COM segment), None where there is none."""
    with _opened(data) as picture:
        return np.array(picture.convert("RGB")), picture.info.get("comment")


def decode_whole(data: bytes) -> np.ndarray:
    """The picture as it is stored, as `framepred_ros.encoded_pictures.decode_stored` gives it, but strictly."""
    with _opened(data) as picture:
        if picture.mode == "L" or picture.mode.startswith("I"):  # grey of 8 bits, or of 16
            return np.array(picture).astype(np.uint8 if picture.mode == "L" else np.uint16)
        return np.array(picture.convert("RGB"))[..., ::-1]


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    check_picture_size(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=CAMERA_FORMATS) as picture:
                yield picture
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError("no JPEG or PNG picture, or a damaged one") from error
