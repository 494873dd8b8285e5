"""Image messages to RGB and back, over every converter that is installed."""

import importlib.util
import sys

import cv2
import numpy as np
import pytest
from ros_testing import make_header, make_picture
from sensor_msgs.msg import Image

from framepred_ros.ros import image_messages
from framepred_ros.ros.image_messages import (
    ImageMessageError,
    compressed_image_from_rgb,
    image_from_rgb,
    rgb_from_image,
)

PICTURE = make_picture(24, 32)
GREY = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
ALPHA = np.full((24, 32, 1), 7, np.uint8)
WIDE = PICTURE.astype(np.uint16) * 257  # 16-bit values whose upper byte is the 8-bit value


def where_installed(library, module):
    skip = pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"{library} is not installed")
    return pytest.param(module, id=library, marks=skip)


# cv_bridge comes with a ROS installation only.
CONVERTERS = [where_installed("rosbags", "rosbags.image"), where_installed("cv_bridge", "cv_bridge")]


@pytest.fixture(params=CONVERTERS, autouse=True)
def installed_converter(request, monkeypatch):
    """Leave only one of the libraries to import."""
    for module in {"rosbags.image", "cv_bridge"} - {request.param}:
        monkeypatch.setitem(sys.modules, module, None)
    image_messages.converter.cache_clear()
    yield
    image_messages.converter.cache_clear()


@pytest.mark.parametrize(
    "code", ["raise AttributeError('_ARRAY_API not found')", "CvBridge = dict; CvBridgeError = ValueError"]
)
def test_a_cv_bridge_that_does_not_work_is_passed_over(tmp_path, monkeypatch, code):
    pytest.importorskip("rosbags.image", reason="the other library")
    (tmp_path / "cv_bridge.py").write_text(code)
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    np.testing.assert_array_equal(rgb_from_image(make_message(PICTURE[..., ::-1], "bgr8")), PICTURE)


def test_without_any_library_the_remedy_is_named(monkeypatch):
    for module in ("rosbags.image", "cv_bridge"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match="pip install rosbags-image"):
        image_messages.converter()


def make_message(pixels, encoding, padding=0, big_endian=False, **fields):
    pixels = np.ascontiguousarray(pixels)
    rows = pixels.view(np.uint8).reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    message = Image(header=make_header(0), encoding=encoding, is_bigendian=int(big_endian))
    message.height, message.width, message.step = pixels.shape[0], pixels.shape[1], rows.shape[1]
    message.data.frombytes(rows.tobytes())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


EXACT = {
    "rgb8": PICTURE,
    "bgr8": PICTURE[..., ::-1],
    "rgba8": np.concatenate([PICTURE, ALPHA], axis=2),
    "bgra8": np.concatenate([PICTURE[..., ::-1], ALPHA], axis=2),
    "rgb16": WIDE,
    "bgr16": WIDE[..., ::-1],
    "8UC3": PICTURE[..., ::-1],  # OpenCV's order where none is said
    "8UC4": np.concatenate([PICTURE[..., ::-1], ALPHA], axis=2),
}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", EXACT)
def test_colours_arrive_as_they_are(encoding, padding):
    rgb = rgb_from_image(make_message(EXACT[encoding], encoding, padding))
    assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, PICTURE)


@pytest.mark.parametrize(
    "encoding, pixels", [("mono8", GREY), ("8UC1", GREY), ("mono16", GREY.astype(np.uint16) * 257)]
)
def test_grey_becomes_three_equal_channels(encoding, pixels):
    rgb = rgb_from_image(make_message(pixels, encoding, padding=2))
    np.testing.assert_array_equal(rgb, np.stack([GREY] * 3, axis=2))


def test_big_endian_is_swapped():
    rgb = rgb_from_image(make_message(WIDE.byteswap(), "rgb16", padding=6, big_endian=True))
    np.testing.assert_array_equal(rgb, PICTURE)


@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bgra16"])
def test_sixteen_bits_become_the_nearest_of_eight_with_either_library(encoding):
    channels = {"mono16": 1, "rgb16": 3, "bgra16": 4}[encoding]
    values = np.random.default_rng(0).integers(0, 2**16, (16, 16, 1), np.uint16)
    values[0, :5, 0] = 0, 128, 129, 65406, 65535  # 128/257 is below a half, 129/257 above
    nearest = np.floor(values * (255 / 65535) + 0.5).astype(np.uint8)
    rgb = rgb_from_image(make_message(np.repeat(values, channels, axis=2), encoding))
    np.testing.assert_array_equal(rgb, np.repeat(nearest, 3, axis=2))


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_colours_that_follow_the_brightness_are_found(encoding, padding):
    """As camera drivers lay it out: the height of the picture, half as many rows of colours of the same step below."""
    luma, blue, red = 120, 90, 200
    rows = np.full((36, 32), luma, np.uint8)
    rows[24:, 0::2], rows[24:, 1::2] = (blue, red) if encoding == "nv12" else (red, blue)
    rgb = rgb_from_image(make_message(rows, encoding, padding, height=24))
    assert rgb.shape == (24, 32, 3) and np.ptp(rgb.reshape(-1, 3), axis=0).max() == 0
    # ITU-R BT.601, studio range.
    grey = 1.164 * (luma - 16)
    expected = grey + np.array([1.596 * (red - 128), -0.392 * (blue - 128) - 0.813 * (red - 128), 2.017 * (blue - 128)])
    np.testing.assert_allclose(rgb[0, 0], expected.clip(0, 255), atol=1.5)


@pytest.mark.parametrize(
    "encoding, first", [("bayer_rggb8", 0), ("bayer_bggr8", 2), ("bayer_gbrg8", 1), ("bayer_grbg8", 1)]
)
def test_bayer_keeps_a_flat_colour(encoding, first):
    red, green, blue = 200, 120, 40
    patterns = {"rggb": [[red, green], [green, blue]], "bggr": [[blue, green], [green, red]]}
    patterns |= {"gbrg": [[green, blue], [red, green]], "grbg": [[green, red], [blue, green]]}
    mosaic = np.tile(np.array(patterns[encoding[6:10]], np.uint8), (8, 8))
    assert mosaic[0, 0] == (red, green, blue)[first]
    rgb = rgb_from_image(make_message(mosaic, encoding))
    np.testing.assert_allclose(rgb[4:-4, 4:-4].astype(int), np.broadcast_to((red, green, blue), (8, 8, 3)), atol=1)


@pytest.mark.parametrize(
    "encoding, luma_first", [("yuv422", False), ("uyvy", False), ("yuyv", True), ("yuv422_yuy2", True)]
)
def test_packed_yuv_takes_luma_from_the_right_byte(encoding, luma_first):
    luma, chroma = np.full((4, 8), 180, np.uint8), np.full((4, 8), 128, np.uint8)
    pixels = np.stack([luma, chroma] if luma_first else [chroma, luma], axis=2)
    rgb = rgb_from_image(make_message(pixels, encoding))
    assert np.ptp(rgb) == 0 and 170 < rgb[0, 0, 0] < 215


def test_missing_padding_of_the_last_row_is_no_loss():
    message = make_message(PICTURE, "rgb8", padding=4)
    del message.data[-4:]
    np.testing.assert_array_equal(rgb_from_image(message), PICTURE)


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"encoding": ""}, "encoding ''"),
        ({"encoding": "RGB8"}, "encoding 'RGB8'"),
        ({"encoding": "nv24"}, "encoding 'nv24'"),
        ({"encoding": "8UC2"}, "encoding '8UC2'"),
        ({"encoding": "16UC1"}, "encoding '16UC1'"),
        ({"encoding": "32FC1"}, "encoding '32FC1'"),
        ({"width": 0}, "0x24"),
        ({"height": 0}, "32x0"),
        ({"step": 0}, "step is 0, but a row of 32 rgb8 pixels takes 96 bytes"),
        ({"step": 95}, "step is 95"),
        ({"step": 97}, "data has 2304 bytes"),
        ({"height": 25}, "data has 2304 bytes"),
        ({"height": 23}, "data has 2304 bytes"),
        ({"encoding": "yuv422", "width": 31}, "pairs"),
        ({"encoding": "nv12", "width": 31}, "2x2 pixels"),
        ({"encoding": "nv21", "height": 23}, "2x2 pixels"),
        ({"encoding": "nv12", "step": 32}, "data has 2304 bytes, but height 24 x 3/2 x step 32 is 1152"),
    ],
)
def test_unusable_messages_say_which_field_is_wrong(fields, reason):
    rgb_from_image(make_message(PICTURE, "rgb8"))  # without the fault it passes
    with pytest.raises(ImageMessageError, match=reason):
        rgb_from_image(make_message(PICTURE, **{"encoding": "rgb8", **fields}))


def test_round_trip_keeps_pixels_and_header():
    message = image_from_rgb(PICTURE[:, ::-1], make_header(3, "head"))  # a view that is not contiguous
    assert (message.height, message.width, message.step, message.encoding) == (24, 32, 96, "rgb8")
    assert message.header == make_header(3, "head")
    np.testing.assert_array_equal(rgb_from_image(message), PICTURE[:, ::-1])


@pytest.mark.parametrize("quality, error", [(95, 1.5), (20, 8)])
def test_jpeg_keeps_header_and_picture_as_well_as_asked(quality, error):
    picture = make_picture(240, 320)
    message = compressed_image_from_rgb(picture, make_header(3, "head"), quality)
    assert message.header == make_header(3, "head") and message.format == "rgb8; jpeg compressed bgr8"
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - picture).mean() < error


@pytest.mark.parametrize("array", [PICTURE[..., 0], PICTURE.astype(np.float32), np.zeros((4, 4, 4), np.uint8)])
def test_only_rgb_uint8_becomes_a_message(array):
    with pytest.raises(ImageMessageError, match="expected uint8"):
        image_from_rgb(array, make_header(0))
