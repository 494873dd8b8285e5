"""How the pixels of sensor_msgs/Image lie in memory: what must fit together, and the rows without their padding."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

# Bytes per pixel of the colour encodings of sensor_msgs/image_encodings.hpp that can become RGB.
BYTES_PER_PIXEL = {
    **dict.fromkeys(("mono8", "8UC1"), 1),
    **dict.fromkeys(("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"), 1),
    **dict.fromkeys(("nv12", "nv21"), 1),  # of the brightness, whose rows come first
    **dict.fromkeys(("yuv422", "uyvy", "yuv422_yuy2", "yuyv", "mono16"), 2),
    **dict.fromkeys(("bayer_rggb16", "bayer_bggr16", "bayer_gbrg16", "bayer_grbg16"), 2),
    **dict.fromkeys(("rgb8", "bgr8", "8UC3"), 3),
    **dict.fromkeys(("rgba8", "bgra8", "8UC4"), 4),
    **dict.fromkeys(("rgb16", "bgr16"), 6),
    **dict.fromkeys(("rgba16", "bgra16"), 8),
}
PACKED_YUV = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")
SEMI_PLANAR_YUV = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
# Without a colour order, as cv_bridge's `cvtColorForDisplay` guesses it: OpenCV's.
ALIASES = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "uyvy": "yuv422", "yuyv": "yuv422_yuy2"}


class ImageMessageError(ValueError):
    """An image message that cannot be used; the text says which field is wrong and what would be right."""


def check_encoding(encoding: str) -> None:
    """Raises ImageMessageError for an encoding that cannot become RGB."""
    if encoding not in BYTES_PER_PIXEL:
        raise ImageMessageError(
            f"encoding '{encoding}' is not a colour encoding that can be used; "
            "have the camera driver publish one such as rgb8, bgr8 or mono8"
        )


def tight_rows(message: Image) -> tuple[np.ndarray, str]:
    """Check a message and return its pixels without padding, with 16 bits reduced to 8, and their encoding.

    Returns:
        rows: uint8 (rows, bytes per row), contiguous; it may be a view of `message.data`.
        encoding: one name for each layout: never 8UC1, uyvy, ...; never one of 16 bits.

    Raises:
        ImageMessageError: unknown encoding, empty picture, or a size, step and data length that contradict each other.
    """
    rows, encoding = _rows(message), ALIASES.get(message.encoding, message.encoding)
    if encoding.endswith("16"):
        return eight_bits(rows, bool(message.is_bigendian)), encoding[:-2] + "8"
    return rows, encoding


def eight_bits(rows: np.ndarray, big_endian: bool = sys.byteorder == "big") -> np.ndarray:
    """Return 16-bit values, given as uint8 (rows, bytes per row), as the nearest of 8 bits: 65535 becomes 255."""
    values = rows.view(np.uint16)
    if big_endian != (sys.byteorder == "big"):
        values = values.byteswap()
    return cv2.convertScaleAbs(values, alpha=255 / 65535)


def _rows(message: Image) -> np.ndarray:
    height, width, step = int(message.height), int(message.width), int(message.step)
    encoding = message.encoding
    check_encoding(encoding)
    if height == 0 or width == 0:
        raise ImageMessageError(f"the picture is empty: {width}x{height} pixels")
    if encoding in PACKED_YUV and width % 2:
        raise ImageMessageError(f"encoding '{encoding}' stores pixels in pairs, but the width is {width}")
    if encoding in SEMI_PLANAR_YUV and (width % 2 or height % 2):
        raise ImageMessageError(f"encoding '{encoding}' stores colours of 2x2 pixels, but this is {width}x{height}")
    row_bytes = width * BYTES_PER_PIXEL[encoding]
    if step < row_bytes:
        raise ImageMessageError(f"step is {step}, but a row of {width} {encoding} pixels takes {row_bytes} bytes")
    rows = height * 3 // 2 if encoding in SEMI_PLANAR_YUV else height  # those of the colours come after the others
    data = np.frombuffer(message.data, np.uint8)
    # Some drivers leave the padding of the last row out, so only its pixels have to be there.
    if data.size < (rows - 1) * step + row_bytes or data.size > rows * step:
        factor = " x 3/2" if rows > height else ""
        raise ImageMessageError(
            f"data has {data.size} bytes, but height {height}{factor} x step {step} is {rows * step}"
        )
    if step == row_bytes:
        return data.reshape(rows, step)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(data, (rows, row_bytes), (step, 1), writeable=False))
