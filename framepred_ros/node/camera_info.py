"""The camera's calibration beside its predictions, so that RViz and image_view show them in place."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from framepred_ros.ros.guards import guarded

# Heard from reliable and best-effort cameras alike, and the next one comes with the next frame.
HEARD = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraInfoRelay:
    """Publishes `camera_info` beside the predicted frames: the camera's own, under their header and for their size.

    The topics are named as image_transport names them, in the namespace of the pictures. Where predictions are in the
    namespace of the camera's pictures, the camera's own `camera_info` is beside them already, and nothing is done.

    Args:
        node: a lifecycle node; the publisher is silent while it is not active.
        image_topic, predicted_topic: whole names of the raw pictures' topics.
        group: callback group of the subscription.
    """

    def __init__(self, node: Any, image_topic: str, predicted_topic: str, group: CallbackGroup) -> None:
        self._node, self._group = node, group
        self._heard, offered = beside(image_topic), beside(predicted_topic)
        self._latest: CameraInfo | None = None
        self._subscription: Any = None
        self._publisher: Any = None
        if node.resolve_topic_name(self._heard) != node.resolve_topic_name(offered):
            self._publisher = node.create_lifecycle_publisher(CameraInfo, offered, QoSProfile(depth=1))

    def open(self) -> None:
        """Listen to the camera's calibration."""
        if self._publisher is not None:
            self._subscription = self._node.create_subscription(
                CameraInfo, self._heard, guarded(self._node, self._take), HEARD, callback_group=self._group
            )

    def close(self) -> None:
        """Stop listening, and forget what was heard."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self._latest = None

    def publish(self, header: Header, height: int, width: int) -> None:
        """Publish the calibration of a predicted frame of this size, if the camera has sent one and anybody listens."""
        latest = self._latest
        if latest is not None and self._publisher.get_subscription_count() > 0:
            self._publisher.publish(for_size(latest, height, width, header))

    def destroy(self) -> None:
        """Take the topic back."""
        self.close()
        if self._publisher is not None:
            self._node.destroy_lifecycle_publisher(self._publisher)

    def _take(self, message: CameraInfo) -> None:
        self._latest = message


def beside(image_topic: str) -> str:
    """Return where the calibration of an image topic is, as `image_transport::getCameraInfoTopic` does."""
    return f"{image_topic.rpartition('/')[0]}/camera_info"


def for_size(info: CameraInfo, height: int, width: int, header: Header) -> CameraInfo:
    """Return a calibration under another header, and for pictures of another size if they are not of its own.

    Its own size is that of its region of interest, binned. For another one, K and P are scaled as image_proc's
    ResizeNode scales them, and no region and no binning is left; distortion and rotation stay.

    Args:
        height, width: of the pictures, pixels.
    """
    result = deepcopy(info)
    result.header = header
    x_binning, y_binning = max(1, info.binning_x), max(1, info.binning_y)
    own_width = (info.roi.width or info.width) // x_binning
    own_height = (info.roi.height or info.height) // y_binning
    if (own_height, own_width) == (height, width):
        return result
    result.height, result.width = height, width
    result.binning_x = result.binning_y = 0
    result.roi = RegionOfInterest(do_rectify=info.roi.do_rectify)
    if own_width and own_height:
        x_scale, y_scale = width / own_width, height / own_height
        result.k = _scaled(info, info.k, 3, x_scale / x_binning, y_scale / y_binning)
        result.p = _scaled(info, info.p, 4, x_scale / x_binning, y_scale / y_binning)
    return result


def _scaled(info: CameraInfo, matrix: Any, columns: int, x_scale: float, y_scale: float) -> list[float]:
    """Return a projection of `columns` columns, by rows, from the region of interest's corner and scaled."""
    values = [float(value) for value in matrix]
    values[2] -= info.roi.x_offset * values[2 * columns + 2]
    values[columns + 2] -= info.roi.y_offset * values[2 * columns + 2]
    scales = [x_scale] * columns + [y_scale] * columns + [1.0] * columns
    return [value * scale for value, scale in zip(values, scales, strict=True)]
