"""sensor_msgs/Image and CompressedImage to RGB arrays, and back.

A guard of our own checks what the libraries do not (`step`, padded rows, short data, sizes) and hands a tight,
native-endian copy of the message to cv_bridge where a working one is installed, and to rosbags-image elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:  # only what builds messages needs ROS: bags are also read where there is none
    from sensor_msgs.msg import CompressedImage, Image
    from std_msgs.msg import Header

# Bytes per pixel of the colour encodings of sensor_msgs/image_encodings.hpp that can become RGB.
BYTES_PER_PIXEL = {
    **dict.fromkeys(("mono8", "8UC1"), 1),
    **dict.fromkeys(("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"), 1),
    **dict.fromkeys(("yuv422", "uyvy", "yuv422_yuy2", "yuyv", "mono16"), 2),
    **dict.fromkeys(("bayer_rggb16", "bayer_bggr16", "bayer_gbrg16", "bayer_grbg16"), 2),
    **dict.fromkeys(("rgb8", "bgr8"), 3),
    **dict.fromkeys(("rgba8", "bgra8"), 4),
    **dict.fromkeys(("rgb16", "bgr16"), 6),
    **dict.fromkeys(("rgba16", "bgra16"), 8),
}
PACKED_YUV = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")
ALIASES = {"8UC1": "mono8", "uyvy": "yuv422", "yuyv": "yuv422_yuy2"}


class ImageMessageError(ValueError):
    """An image message that cannot be used; the text says which field is wrong and what would be right."""


def rgb_from_image(message: Image) -> np.ndarray:
    """Return the picture in a sensor_msgs/Image as RGB uint8 (height, width, 3).

    16-bit encodings are scaled to 8 bits, alpha is dropped, Bayer and packed YUV 4:2:2 are converted. The result may
    be a view of `message.data`.

    Raises:
        ImageMessageError: unknown encoding, empty picture, or a size, step and data length that contradict each other.
    """
    rows = _tight_rows(message)
    encoding = ALIASES.get(message.encoding, message.encoding)
    if encoding.endswith("16") and bool(message.is_bigendian) != (sys.byteorder == "big"):
        rows = rows.view(np.uint16).byteswap().view(np.uint8)
    tight = SimpleNamespace(
        header=message.header,
        height=int(message.height),
        width=int(message.width),
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        step=rows.shape[1],
        data=rows.reshape(-1),
    )
    return np.ascontiguousarray(converter()(tight))


def rgb_from_compressed_image(message: CompressedImage) -> np.ndarray:
    """Return the picture in a sensor_msgs/CompressedImage (JPEG, PNG) as RGB uint8 (height, width, 3).

    Raises:
        ImageMessageError: the data is not a picture that OpenCV can decode.
    """
    data = np.frombuffer(message.data, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise ImageMessageError(f"{data.size} bytes with format '{message.format}' are no JPEG or PNG picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def image_from_rgb(rgb: np.ndarray, header: Header) -> Image:
    """Return an rgb8 sensor_msgs/Image of an RGB uint8 (height, width, 3) array, under the given header.

    Raises:
        ImageMessageError: the array has another shape or dtype.
    """
    from sensor_msgs.msg import Image

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ImageMessageError(f"expected uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")
    message = Image(header=header)
    message.height, message.width = int(rgb.shape[0]), int(rgb.shape[1])
    message.encoding = "rgb8"
    message.step = int(rgb.shape[1] * 3)
    # In place: assigning a list, a memoryview or the array itself goes through Python objects, byte by byte.
    message.data.frombytes(np.ascontiguousarray(rgb))
    return message


def compressed_image_from_rgb(rgb: np.ndarray, header: Header, quality: int) -> CompressedImage:
    """Return a JPEG sensor_msgs/CompressedImage of an RGB uint8 (height, width, 3) array, under the given header.

    Args:
        quality: of the JPEG, 1 to 100.
    """
    from sensor_msgs.msg import CompressedImage

    jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    message = CompressedImage(header=header, format="rgb8; jpeg compressed bgr8")
    message.data.frombytes(jpeg.reshape(-1))
    return message


def _tight_rows(message: Image) -> np.ndarray:
    """Check a message and return its rows as uint8 (height, width * bytes per pixel), contiguous."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    encoding = message.encoding
    if encoding not in BYTES_PER_PIXEL:
        raise ImageMessageError(
            f"encoding '{encoding}' is not a colour encoding that can be used; "
            "have the camera driver publish one such as rgb8, bgr8 or mono8"
        )
    if height == 0 or width == 0:
        raise ImageMessageError(f"the picture is empty: {width}x{height} pixels")
    if encoding in PACKED_YUV and width % 2:
        raise ImageMessageError(f"encoding '{encoding}' stores pixels in pairs, but the width is {width}")
    row_bytes = width * BYTES_PER_PIXEL[encoding]
    if step < row_bytes:
        raise ImageMessageError(f"step is {step}, but a row of {width} {encoding} pixels takes {row_bytes} bytes")
    data = np.frombuffer(message.data, np.uint8)
    # Some drivers leave the padding of the last row out, so only its pixels have to be there.
    if data.size < (height - 1) * step + row_bytes or data.size > height * step:
        raise ImageMessageError(f"data has {data.size} bytes, but height {height} x step {step} is {height * step}")
    if step == row_bytes:
        return data.reshape(height, step)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(data, (height, row_bytes), (step, 1), writeable=False))


@cache
def converter() -> Callable[[Any], np.ndarray]:
    """Return the function that converts a checked image message to RGB: cv_bridge's, or else rosbags-image's.

    A cv_bridge built for NumPy 1 does not work under NumPy 2 (vision_opencv issue 535), so it has to prove itself.

    Raises:
        ImportError: neither library can be used.
    """
    try:
        library_errors, convert = _cv_bridge()
    except Exception as broken:  # one built for another NumPy raises more than ImportError
        try:
            library_errors, convert = _rosbags_image()
        except ImportError as error:
            raise ImportError(
                f"no image converter: install rosbags-image (pip install rosbags-image, {error}) "
                f"or a cv_bridge built for NumPy {np.__version__} ({broken})"
            ) from error

    def to_rgb(message: Any) -> np.ndarray:
        try:
            return convert(message)
        except library_errors as error:
            raise ImageMessageError(f"encoding '{message.encoding}' cannot be converted to RGB: {error}") from error

    return to_rgb


def _cv_bridge() -> tuple[tuple[type[Exception], ...], Callable[[Any], np.ndarray]]:
    from cv_bridge import CvBridge, CvBridgeError
    from sensor_msgs.msg import Image

    bridge = CvBridge()

    def convert(message: Any) -> np.ndarray:
        return bridge.imgmsg_to_cv2(message, "rgb8")

    pixel = Image(height=1, width=1, encoding="bgr8", step=3, data=bytes((1, 2, 3)))
    if convert(pixel).tolist() != [[[3, 2, 1]]]:
        raise ImportError("cv_bridge does not convert a pixel of bgr8 to rgb8")
    return (CvBridgeError, cv2.error), convert


def _rosbags_image() -> tuple[tuple[type[Exception], ...], Callable[[Any], np.ndarray]]:
    from rosbags.image import ImageError, message_to_cvimage

    return (ImageError, cv2.error), lambda message: message_to_cvimage(message, "rgb8")
