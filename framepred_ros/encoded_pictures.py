"""JPEG and PNG pictures, measured before they are decoded: a file of kilobytes may hold gigabytes of pixels. No ROS."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

MAX_PIXELS = 2**26  # twice an 8K picture; more is a forged header
CAMERA_FORMATS = ("JPEG", "PNG")


class PictureError(ValueError):
    """The bytes are not a picture that can be read; the message says why."""


def check_picture_size(source: bytes | Path, formats: tuple[str, ...] | None = CAMERA_FORMATS) -> None:
    """Read the header of a picture, and nothing else of it.

    Args:
        source: the bytes of a file, or its path.
        formats: as Pillow names them; None: all that it knows.

    Raises:
        PictureError: it has more than `MAX_PIXELS` pixels, or is no such picture.
        FileNotFoundError: there is no file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is below the one that Pillow warns of
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as picture:
                width, height = picture.size
    except Image.DecompressionBombError as error:  # raised in place of a size that is larger still
        raise PictureError(f"it is too large: more than {MAX_PIXELS:,} pixels") from error
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(f"no {' or '.join(formats) + ' ' if formats else ''}picture, or a damaged one") from error
    if width * height > MAX_PIXELS:
        raise PictureError(f"it is too large: {width}x{height} pixels, at most {MAX_PIXELS:,} are decoded")


def decode_stored(data: bytes) -> np.ndarray:
    """Return the picture in the bytes of a JPEG or PNG file as it is stored, whatever EXIF says of its orientation.

    Returns:
        uint8 or uint16, (height, width) if it is grey, else (height, width, 3 or 4): blue, green, red, alpha.

    Raises:
        PictureError: the bytes are something else, or a picture of unreasonable size.
    """
    check_picture_size(data)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise PictureError("no JPEG or PNG picture, or a damaged one")
    return picture


def read_picture(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Return a picture file of any format, as `cv2.imread` does with these flags: by default BGR uint8 (H, W, 3).

    Raises:
        PictureError: it is no picture, or one of unreasonable size.
        FileNotFoundError: there is no file.
    """
    check_picture_size(path, formats=None)
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise PictureError("OpenCV cannot read it")
    return picture
