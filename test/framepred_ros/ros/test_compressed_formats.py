"""Compressed pictures come out as image_transport's own subscriber hands them on, or are refused with a reason."""

import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from ros_testing import make_picture
from sensor_msgs.msg import CompressedImage

from framepred_ros.ros.image_messages import ImageMessageError, rgb_from_compressed_image
from training.episodes.pictures import decode_whole

PICTURE = make_picture(24, 32)
BGR = PICTURE[..., ::-1]
GREY = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
WIDE = PICTURE.astype(np.uint16) * 257
ALPHA = np.full((24, 32, 1), 7, np.uint8)


def compressed(pixels, text, extension=".png"):
    data = cv2.imencode(extension, np.ascontiguousarray(pixels))[1].tobytes()
    return CompressedImage(format=text, data=data)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("text", ["", "jpeg", "png", "rgb8; jpeg compressed bgr8", "bgr8; png compressed bgr8"])
def test_colours_in_the_usual_order(extension, text):
    rgb = rgb_from_compressed_image(compressed(BGR, text, extension))
    assert rgb.dtype == np.uint8 and rgb.shape == PICTURE.shape and rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - PICTURE).mean() <= (10 if extension == ".jpg" else 0)


# What the publisher gave to OpenCV, and under which format.
AS_SUBSCRIBED = [
    (PICTURE, "rgb8; png compressed rgb8"),  # not swapped before it was encoded
    (PICTURE, "rgb8; png compressed "),
    (PICTURE, "bgr8; png compressed rgb8"),
    (BGR, "rgba8; png compressed bgr8"),
    (BGR, "yuv422_yuy2; png compressed bgr8"),
    (BGR, "8UC3; png compressed "),
    (BGR, "bayer_rggb8; png compressed bgr8"),
    (WIDE[..., ::-1], "rgb16; png compressed bgr16"),
    (np.concatenate([BGR, ALPHA], axis=2), "bgra8; png compressed "),
    (np.concatenate([PICTURE, ALPHA], axis=2), "rgba8; png compressed rgba8"),
]


@pytest.mark.parametrize("pixels, text", AS_SUBSCRIBED[:8], ids=lambda each: each if isinstance(each, str) else "")
@pytest.mark.parametrize("decoder", [None, decode_whole], ids=["node", "dataset"])
def test_the_declared_order_of_the_colours_counts(pixels, text, decoder):
    rgb = rgb_from_compressed_image(compressed(pixels, text), *[decoder] * (decoder is not None))
    np.testing.assert_array_equal(rgb, PICTURE)


def test_alpha_is_dropped():
    pixels, text = AS_SUBSCRIBED[-1]
    np.testing.assert_array_equal(rgb_from_compressed_image(compressed(pixels, text)), PICTURE)


@pytest.mark.parametrize("text", ["mono8; jpeg compressed mono8", "mono8; png compressed", "", "8UC1; png compressed"])
def test_a_grey_camera_stays_grey(text):
    rgb = rgb_from_compressed_image(compressed(GREY, text))
    np.testing.assert_array_equal(rgb, np.stack([GREY] * 3, axis=2))


def test_sixteen_bits_of_grey_that_are_declared_are_a_picture():
    rgb = rgb_from_compressed_image(compressed(GREY.astype(np.uint16) * 257, "mono16; png compressed "))
    np.testing.assert_array_equal(rgb, np.stack([GREY] * 3, axis=2))


@pytest.mark.parametrize("text", [f"bayer_rggb{kind} compressed" for kind in ("8; jpeg", "8; png", "16; png")])
@pytest.mark.parametrize("decoder", [None, decode_whole], ids=["node", "dataset"])
def test_a_mosaic_gets_its_colours(text, decoder):
    mosaic = np.tile(np.array([[200, 120], [120, 40]], np.uint8), (8, 8))
    mosaic = mosaic.astype(np.uint16) * 257 if "16" in text else mosaic
    message = compressed(mosaic, text, ".jpg" if "jpeg" in text else ".png")
    rgb = rgb_from_compressed_image(message, *[decoder] * (decoder is not None))
    np.testing.assert_allclose(rgb[4:-4, 4:-4].astype(int), np.broadcast_to((200, 120, 40), (8, 8, 3)), atol=6)


@pytest.mark.parametrize(
    "pixels, text, reason",
    [
        (GREY, "bayer_rggb8; jpeg compressed mono8", "dropped the camera's colours"),
        (GREY, "yuv422_yuy2; jpeg compressed mono8", "dropped the camera's colours"),
        (GREY.astype(np.uint16), "16UC1; png compressed ", "encoding '16UC1' is not a colour encoding"),
        (GREY.astype(np.uint16), "16UC1; compressedDepth png", "encoding '16UC1' is not a colour encoding"),
        (GREY.astype(np.uint16), "png", "most likely of depth"),
        (BGR, "32FC1; png compressed ", "encoding '32FC1' is not a colour encoding"),
    ],
)
def test_what_is_no_colour_picture_is_refused(pixels, text, reason):
    with pytest.raises(ImageMessageError, match=reason):
        rgb_from_compressed_image(compressed(pixels, text))


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"\xff\xd8\xff"])
def test_garbage_is_refused(data):
    with pytest.raises(ImageMessageError, match=f"^no JPEG or PNG picture.*: {len(data)} bytes with format 'jpeg'"):
        rgb_from_compressed_image(CompressedImage(format="jpeg", data=data))


def test_an_orientation_in_exif_does_not_turn_the_camera():
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    # One entry, 0x0112 (orientation), a short: 6, which is a quarter turn.
    tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (32, 24, 3), "it is in the file"
    rgb = rgb_from_compressed_image(CompressedImage(format="rgb8; jpeg compressed bgr8", data=turned))
    np.testing.assert_array_equal(rgb, rgb_from_compressed_image(CompressedImage(format="jpeg", data=jpeg)))


def test_a_bomb_is_refused_before_it_is_decoded(large_picture):
    tracemalloc.start()
    with pytest.raises(ImageMessageError, match="too large"):
        rgb_from_compressed_image(CompressedImage(format="png", data=large_picture))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
