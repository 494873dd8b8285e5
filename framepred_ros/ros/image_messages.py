"""sensor_msgs/Image and CompressedImage to RGB arrays, and back.

A guard of our own checks what the libraries do not (`step`, padded rows, short data, sizes; `format`, sizes before
decoding) and hands tight rows of 8 bits to cv_bridge where a working one is installed, and to rosbags-image elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from framepred_ros.encoded_pictures import PictureError, decode_stored
from framepred_ros.ros.compressed_formats import stored_encoding
from framepred_ros.ros.pixel_layouts import SEMI_PLANAR_YUV, ImageMessageError, eight_bits, tight_rows

if TYPE_CHECKING:  # only what builds messages needs ROS: bags are also read where there is none
    from sensor_msgs.msg import CompressedImage, Image
    from std_msgs.msg import Header


def rgb_from_image(message: Image) -> np.ndarray:
    """Return the picture in a sensor_msgs/Image as RGB uint8 (height, width, 3).

    16-bit encodings are scaled to 8 bits, alpha is dropped, Bayer and YUV (packed 4:2:2, NV12, NV21) are converted. The
    result may be a view of `message.data`.

    Raises:
        ImageMessageError: unknown encoding, empty picture, or a size, step and data length that contradict each other.
    """
    return _rgb(*tight_rows(message), int(message.width))


def rgb_from_compressed_image(
    message: CompressedImage, decode: Callable[[bytes], np.ndarray] = decode_stored
) -> np.ndarray:
    """Return the picture in a sensor_msgs/CompressedImage (JPEG, PNG) as RGB uint8 (height, width, 3).

    As image_transport's subscriber would hand it on, converted as a raw image is: what `format` says about the camera's
    encoding counts, and what EXIF says about an orientation does not.

    Args:
        decode: another decoder, with the interface of `decode_stored`.

    Raises:
        ImageMessageError: the data is no picture, one too large to be decoded, or no colour picture.
    """
    data = bytes(message.data)
    try:
        picture = decode(data)
    except PictureError as error:
        raise ImageMessageError(f"{error}: {len(data)} bytes with format '{message.format}'") from error
    height, width = picture.shape[:2]
    encoding = stored_encoding(message.format, picture[0, 0].size, 8 * picture.itemsize)
    rows = np.ascontiguousarray(picture).view(np.uint8).reshape(height, -1)
    if encoding.endswith("16"):
        rows, encoding = eight_bits(rows), encoding[:-2] + "8"
    return _rgb(rows, encoding, width)


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


def _rgb(rows: np.ndarray, encoding: str, width: int) -> np.ndarray:
    """Return pixels in the layout that `tight_rows` gives as RGB uint8 (height, width, 3)."""
    if encoding in SEMI_PLANAR_YUV:  # of which both libraries take the brightness alone
        return cv2.cvtColor(rows, SEMI_PLANAR_YUV[encoding])
    tight = SimpleNamespace(
        height=rows.shape[0],
        width=width,
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        step=rows.shape[1],
        data=rows.reshape(-1),
    )
    return np.ascontiguousarray(converter()(tight))


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
