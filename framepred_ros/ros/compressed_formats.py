"""What the `format` of sensor_msgs/CompressedImage says about the picture: "rgb8; jpeg compressed bgr8".

The encoding of the camera's image, the codec, and the encoding that was given to the codec, as image_transport's
compressed_publisher.cpp writes them. Its compressed_subscriber.cpp is what is followed here, except that it hands on
what is no colour picture.
"""

from __future__ import annotations

from framepred_ros.ros.pixel_layouts import PACKED_YUV, SEMI_PLANAR_YUV, ImageMessageError, check_encoding

CODECS = ("jpeg", "jpg", "png")
ORDERED = ("rgb", "bgr")  # encodings that say in which order their colours come


def stored_encoding(text: str, channels: int, bits: int) -> str:
    """Return the raw encoding of the pixels that a codec gives back.

    Args:
        text: the `format` field; many drivers put no more than "jpeg" there, or nothing.
        channels: of the decoded picture: 1, or 3 or 4 in OpenCV's order.
        bits: per value, 8 or 16.

    Raises:
        ImageMessageError: the camera's encoding is no colour encoding (depth, for instance), or its colours are lost.
    """
    declared, _, stored = (part.strip() for part in text.partition(";"))
    if not stored or declared.lower() in CODECS:
        if channels == 1 and bits == 16:
            raise ImageMessageError(
                f"a 16-bit grey picture, most likely of depth; if it is not, its format '{text}' must say so: "
                "mono16; png compressed"
            )
        return _named("mono" if channels == 1 else "bgr", channels, bits)
    check_encoding(declared)
    if channels > 1:
        # Not swapped by the publisher, so the first of OpenCV's three is the first of the camera's; see the subscriber.
        swapped = not declared.startswith(ORDERED) or "compressed bgr" in stored
        return _named("bgr" if swapped else "rgb", channels, bits)
    is_mosaic = declared.startswith("bayer")
    if is_mosaic and "compressed mono" not in stored:
        return f"{declared.rstrip('0123456789')}{bits}"
    if is_mosaic or declared in PACKED_YUV or declared in SEMI_PLANAR_YUV:
        raise ImageMessageError(
            f"format is '{text}', but the picture is grey: image_transport's publisher dropped the camera's colours; "
            "have the driver publish rgb8 or bgr8, or listen to the raw images (image_transport:=raw)"
        )
    return f"mono{bits}"


def _named(order: str, channels: int, bits: int) -> str:
    return f"{order}{'a' if channels == 4 else ''}{bits}"
