"""What the ROS tests share: a node that records and waits with deadlines, node processes, pictures, bags."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter as NodeParameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from framepred_ros.ros.image_messages import image_from_rgb

DEADLINE = 90.0  # seconds; generous, for a busy machine with two cores
RESEND = 3.0  # seconds
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
INSTRUCTION = "hit the block with the hammer"


class Tester(Node):
    """Records what arrives on topics; every wait is for a condition and has a deadline."""

    def __init__(self, context):
        super().__init__("tester", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self._callers = {}

    def close(self):
        self._executor.shutdown()
        self.destroy_node()

    def record(self, message_type, topic, qos=10):
        """Subscribe and return the growing list of messages."""
        received = []
        self.create_subscription(message_type, topic, received.append, qos)
        return received

    def wait_until(self, condition, what, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, f"not within {deadline:.0f} s: {what}"
            self._executor.spin_once(timeout_sec=0.05)

    def begin_to_call(self, service_type, name, request):
        """Send a request; return the future of its answer."""
        if name not in self._callers:  # kept: each new client takes part in discovery first
            self._callers[name] = self.create_client(service_type, name)
        client = self._callers[name]
        self.wait_until(client.service_is_ready, f"service {name}")
        return client.call_async(request)

    def answer(self, future, name):
        self.wait_until(future.done, f"answer of {name}")
        return future.result()

    def call(self, service_type, name, request):
        return self.answer(self.begin_to_call(service_type, name, request), name)

    def lifecycle_state(self, node):
        return self.call(GetState, f"{node}/get_state", GetState.Request()).current_state.label

    def begin_to_change_state(self, node, transition):
        request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{transition.upper()}")))
        return self.begin_to_call(ChangeState, f"{node}/change_state", request)

    def change_state(self, node, transition):
        return self.answer(self.begin_to_change_state(node, transition), f"{node}/change_state").success

    def set_parameter(self, node, name, value):
        """Set a parameter over its service and return the result."""
        kinds = {bool: "BOOL", int: "INTEGER", float: "DOUBLE", str: "STRING"}
        is_list = isinstance(value, list)  # `ros2 param set` takes an empty one for one of booleans
        kind = f"{kinds[type(value[0]) if value else bool]}_ARRAY" if is_list else kinds[type(value)]
        typed = ParameterValue(type=getattr(ParameterType, f"PARAMETER_{kind}"), **{f"{kind.lower()}_value": value})
        request = SetParameters.Request(parameters=[Parameter(name=name, value=typed)])
        return self.call(SetParameters, f"{node}/set_parameters", request).results[0]

    def wait_for_state(self, node, state):
        self.wait_until(lambda: self.lifecycle_state(node) == state, f"{node} {state}")


@contextmanager
def running_tester():
    """A Tester in a ROS context of its own."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Tester(context)
    try:
        yield node
    finally:
        node.close()
        rclpy.try_shutdown(context=context)


class Camera:
    """Publishes pictures from the test process and collects what is predicted from them."""

    def __init__(self, tester, namespace="", qos=1):
        self.tester, self.namespace = tester, namespace
        self.publisher = tester.create_publisher(Image, f"{namespace}image", qos)
        self.predictions = tester.record(Image, f"{namespace}predicted_frame")
        self.index = 0

    def wait_for_node(self):
        self.tester.wait_until(lambda: self.publisher.get_subscription_count() == 1, "the node listens to the camera")
        topic = f"{self.namespace}predicted_frame"
        self.tester.wait_until(lambda: self.tester.count_publishers(topic) == 1, "the node publishes")

    def send(self, message):
        """Publish an image message under the next stamp, which is returned."""
        self.index += 1
        message.header = make_header(self.index)
        self.publisher.publish(message)
        return stamp_of(message)

    def message_of(self, picture):
        return image_from_rgb(picture, make_header(0))

    def send_picture(self, picture):
        return self.send(self.message_of(picture))

    def predict(self, picture):
        """Send a picture and return the message that is predicted from it.

        Sent again after a while under the same stamp: a node that does not know of its subscriber yet predicts nothing.
        """
        message = self.message_of(picture)
        stamp = self.send(message)
        for _ in range(round(DEADLINE / RESEND)):
            with suppress(AssertionError):
                return self.wait_for_prediction(stamp, RESEND)
            self.publisher.publish(message)
        return self.wait_for_prediction(stamp)

    def wait_for_prediction(self, stamp, deadline=DEADLINE):
        what = f"prediction from frame {stamp}"
        self.tester.wait_until(lambda: stamp in map(stamp_of, self.predictions), what, deadline)
        return next(message for message in self.predictions if stamp_of(message) == stamp)


@contextmanager
def predictor_node_here(*arguments, **parameters):
    """Run a predictor node in this process, in a ROS context and threads of its own.

    Args:
        arguments: as on the command line after --ros-args.
        parameters: the checkpoint may be a path.
    """
    import diffusers  # noqa: F401  (before the node does, which leaves out what other tests need)

    from framepred_ros.node.predictor_node import EXECUTOR_THREADS, PredictorNode
    from framepred_ros.ros.process import NodeExecutor

    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    parameters = {name: str(value) if isinstance(value, Path) else value for name, value in parameters.items()}
    overrides = [NodeParameter(name, value=value) for name, value in ({"device": "cpu"} | parameters).items()]
    node = PredictorNode(context=context, parameter_overrides=overrides, cli_args=["--ros-args", *arguments])
    executor = NodeExecutor(EXECUTOR_THREADS, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield node
    finally:
        node.stop(DEADLINE)
        executor.shutdown()
        thread.join()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


class Process:
    """A child process whose output can be read while it runs; killed at the block's end with all that it started."""

    def __init__(self, *command, **environment):
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "output.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._folder.cleanup()

    @property
    def output(self):
        return self._log.read_text()

    def end(self, signal_number=signal.SIGTERM, deadline=DEADLINE):
        """Send a signal; return the exit code and the seconds until the end."""
        started = time.monotonic()
        self.process.send_signal(signal_number)
        return self.process.wait(deadline), time.monotonic() - started

    def wait(self, deadline=DEADLINE):
        return self.process.wait(deadline)


def node_process(module, **parameters):
    """Start a node of the package; parameters as ROS takes them on the command line."""
    options = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    return Process(sys.executable, "-m", f"framepred_ros.{module}", "--ros-args", *options)


def make_picture(height=96, width=128, seed=0):
    """A smooth RGB picture, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def make_header(index, frame_id="test_camera"):
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = 1000 + index, 42
    return header


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


def write_bag(folder, pictures, instruction="hit the block", step=0.06, compressed=True):
    """Write an episode bag as docs/architecture.md describes it; with compressed=False, raw images."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    image_type = f"sensor_msgs/msg/{'CompressedImage' if compressed else 'Image'}"
    topic = "/camera/image_raw/compressed" if compressed else "/camera/image_raw"
    with Writer(Path(folder), version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        images = bag.add_connection(topic, image_type, typestore=store)
        if instruction is not None:
            words = bag.add_connection("/instruction", "std_msgs/msg/String", typestore=store)
            text = types["std_msgs/msg/String"](data=instruction)
            bag.write(words, 0, store.serialize_cdr(text, words.msgtype))
        for index, picture in enumerate(pictures):
            nanoseconds = round(index * step * 1e9)
            stamp = types["builtin_interfaces/msg/Time"](sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="head_camera")
            if compressed:
                jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(-1)
                message = types[image_type](header=header, format="rgb8; jpeg compressed bgr8", data=jpeg)
            else:
                message = types[image_type](
                    header=header,
                    height=picture.shape[0],
                    width=picture.shape[1],
                    encoding="rgb8",
                    is_bigendian=0,
                    step=picture.shape[1] * 3,
                    data=picture.reshape(-1),
                )
            bag.write(images, nanoseconds, store.serialize_cdr(message, image_type))
    return Path(folder)
