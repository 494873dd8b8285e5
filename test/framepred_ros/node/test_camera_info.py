"""The calibration beside predicted frames."""

import numpy as np
import pytest
from ros_testing import INSTRUCTION, Camera, make_header, make_picture, predictor_node_here, stamp_of
from sensor_msgs.msg import CameraInfo

from framepred_ros.node.camera_info import beside, for_size


def make_info(height=96, width=128, **changes):
    """A calibration of a camera with a lens and a second eye."""
    info = CameraInfo(header=make_header(0), height=height, width=width, distortion_model="plumb_bob")
    info.k = [100.0, 0.0, 60.0, 0.0, 110.0, 50.0, 0.0, 0.0, 1.0]
    info.p = [90.0, 0.0, 62.0, -9.0, 0.0, 95.0, 48.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.r, info.d = np.eye(3).reshape(-1), [0.1, -0.2, 0.0, 0.0, 0.05]
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def project(matrix, point):
    """Where a matrix of three rows shows a point, in pixels."""
    x, y, depth = np.reshape(matrix, (3, -1)) @ point
    return np.array([x, y]) / depth


def test_it_is_named_as_image_transport_names_it():
    assert beside("/camera/image_raw") == "/camera/camera_info" and beside("/image") == "/camera_info"


def test_a_calibration_of_the_pictures_size_stays_as_it_is():
    info, header = make_info(), make_header(7)
    info.roi.x_offset, info.roi.width, info.binning_x = 3, 64, 2
    same = for_size(info, 96, 32, header)
    assert same.header == header
    same.header = info.header
    assert same == info


def test_for_another_size_points_move_with_the_picture():
    info = make_info()
    half = for_size(info, 48, 64, make_header(7))
    assert (half.height, half.width) == (48, 64)
    np.testing.assert_allclose(half.k, [50, 0, 30, 0, 55, 25, 0, 0, 1])
    for matrix, scaled, point in ((info.k, half.k, (1, 2, 5)), (info.p, half.p, (1, 2, 5, 1))):
        np.testing.assert_allclose(project(scaled, point), project(matrix, point) / 2)
    assert list(half.d) == list(info.d) and half.distortion_model == "plumb_bob" and (half.r == info.r).all()


def test_a_region_of_interest_and_binning_count_once():
    info = make_info(960, 1280, binning_x=2, binning_y=2)
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 20, 10, 640, 480
    shown = for_size(info, 120, 160, make_header(7))  # pictures of 320x240, halved again
    assert shown.binning_x == shown.roi.width == shown.roi.x_offset == 0
    point = (1, 2, 5)
    np.testing.assert_allclose(project(shown.k, point), (project(info.k, point) - (20, 10)) / 4)


def test_without_a_size_nothing_is_scaled():
    shown = for_size(CameraInfo(), 96, 128, make_header(7))
    assert (shown.height, shown.width) == (96, 128) and not any(shown.k)


@pytest.mark.ros
def test_each_prediction_gets_the_cameras_calibration_under_its_header(tester, tiny_checkpoint):
    rules = "-r", "image:=/arm/image_raw"
    with predictor_node_here(*rules, checkpoint=tiny_checkpoint, instruction=INSTRUCTION):
        camera = Camera(tester)
        tester.destroy_publisher(camera.publisher)
        camera.publisher = tester.create_publisher(type(camera.message_of(make_picture())), "/arm/image_raw", 1)
        camera.wait_for_node()
        camera.predict(make_picture())  # from a camera without a calibration
        infos = tester.record(CameraInfo, "/camera_info")
        calibration = tester.create_publisher(CameraInfo, "/arm/camera_info", 1)
        tester.wait_until(lambda: calibration.get_subscription_count() == 1, "the node hears the calibration")
        tester.wait_until(lambda: tester.count_publishers("/camera_info") == 1, "the node offers one")

        def told():
            calibration.publish(make_info(192, 256))
            camera.predict(make_picture())
            return infos

        tester.wait_until(told, "a calibration with a prediction")
        assert (infos[-1].height, infos[-1].width) == (96, 128) and infos[-1].header.frame_id == "test_camera"
        np.testing.assert_allclose(infos[-1].k, [50, 0, 30, 0, 55, 25, 0, 0, 1])
        assert {stamp_of(info) for info in infos} <= {stamp_of(each) for each in camera.predictions}


@pytest.mark.ros
def test_where_the_cameras_own_is_beside_them_the_node_adds_none(tester, tiny_checkpoint):
    names = [f"{each}/{topic}" for each in ("left", "right") for topic in ("image", "predicted_frame")]
    rules = [word for name in names[:3] for word in ("-r", f"{name}:=/{name.split('/')[0]}/rgb/{name.split('/')[1]}")]
    with predictor_node_here(*rules, checkpoint=tiny_checkpoint, cameras=["left", "right"]) as node:
        tester.wait_until(lambda: tester.count_publishers("/right/camera_info") == 1, "the outputs are offered")
        kinds = {each.topic_name for each in node.publishers if each.msg_type is CameraInfo}
        assert kinds == {"/right/camera_info"}, "left's pictures and predictions have one namespace"
