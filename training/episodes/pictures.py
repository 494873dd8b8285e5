"""JPEG and PNG files to RGB arrays, strictly: a truncated picture is an error, not a picture with a grey end."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

# 8K video has 33 million pixels; more is a forged header that asks for gigabytes.
MAX_PIXELS = 2**26


class PictureError(ValueError):
    """The bytes are not a picture that can be read; the message says why."""


def decode_picture(data: bytes) -> np.ndarray:
    """The picture in the bytes of a JPEG or PNG file as uint8 (H, W, 3), channels in the order that the file says.

    Raises:
        PictureError: the bytes are something else, damaged or truncated, or a picture of unreasonable size.
    """
    return decode_with_comment(data)[0]


def decode_with_comment(data: bytes) -> tuple[np.ndarray, bytes | None]:
    """The same, and the comment that a JPEG file bears (its COM segment), None where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is below the one that Pillow warns of
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise PictureError(f"a picture of {picture.width}x{picture.height} pixels is too large")
                return np.array(picture.convert("RGB")), picture.info.get("comment")
    except PictureError:
        raise
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError("no JPEG or PNG picture, or a damaged one") from error
