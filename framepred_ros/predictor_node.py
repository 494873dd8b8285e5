"""The lifecycle node that predicts the camera's future frame. The predictor thinks, this talks."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import numpy as np
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import Executor, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from framepred_ros.image_messages import ImageMessageError, converter, image_from_rgb, rgb_from_image
from framepred_ros.node_parameters import PREDICTOR_PARAMETERS, READ_WHEN_CONFIGURING, declare_parameters
from framepred_ros.node_process import create_node, end_process, ros_process
from framepred_ros.prediction_worker import Frame, PredictionSettings, PredictionWorker

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

if TYPE_CHECKING:
    from framepred_ros.predictor import FramePredictor

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
# The callback takes a fraction of a millisecond, so the queue is empty again before it can age a frame; with depth 1 a
# busy machine lost a tenth of 640x480 frames at 30 Hz, with 5 none. The worker's slot keeps only the newest.
IMAGE_DEPTH = 5
STOP_TIMEOUT = 0.8  # seconds that a prediction under way gets at the end


def transition(method: Callable[[Any, LifecycleState], TransitionCallbackReturn]) -> Callable:
    """Log what a lifecycle callback raises and return FAILURE: rclpy would swallow it and report ERROR."""

    @functools.wraps(method)
    def guarded(self: Node, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return method(self, state)
        except Exception as error:
            self.get_logger().error(f"{method.__name__} failed: {type(error).__name__}: {error}")
            self.get_logger().debug(traceback.format_exc())
            return FAILURE

    return guarded


class PredictorNode(LifecycleNodeMixin, Node):
    """Camera frames and instructions in, predicted frames out.

    Subscribes `image` (sensor_msgs/Image) while active and `instruction` (std_msgs/String) always; publishes
    `predicted_frame` (sensor_msgs/Image) under the header of the frame it was predicted from, and the instruction in
    force on `~/instruction` (latched). The camera shows what was predicted `horizon` steps after that stamp.
    """

    def __init__(self, **kwargs: Any) -> None:
        Node.__init__(self, "predictor", **kwargs)
        # Re-entrant, and not the node's default group: `configuring` can be asked for while a model loads.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        declare_parameters(self, PREDICTOR_PARAMETERS)
        self._inputs = MutuallyExclusiveCallbackGroup()
        self._stopping = False
        self._worker: PredictionWorker | None = None
        self._prediction_publisher: Any = None
        self._image_subscription: Any = None
        self._image_qos: QoSProfile | None = None
        self._instruction = ""
        self._instruction_publisher = self.create_publisher(String, "~/instruction", LATCHED)
        self._subscribe_instruction()
        self._accept_instruction(self._value("instruction"))
        self.add_on_set_parameters_callback(self._check_parameters)
        if self._value("autostart"):
            self._autostart_timer = self.create_timer(0.0, self._autostart, MutuallyExclusiveCallbackGroup())

    # Lifecycle -------------------------------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model in the worker's thread and offer `predicted_frame`. FAILURE leaves the node unconfigured."""
        converter()  # fails here, with the remedy, rather than at the first frame
        self._prediction_publisher = self.create_lifecycle_publisher(
            Image,
            "predicted_frame",
            QoSProfile(depth=1),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._worker = PredictionWorker(self._load, self._publish, self._settings, self.get_logger())
        if self._stopping:  # set before `stop` looks for a worker, so one of the two sides sees the other
            self._worker.stop()
        try:
            predictor = self._worker.loaded.result()
        except CancelledError:
            self._release()
            return FAILURE
        except Exception as error:
            self._release()
            self.get_logger().error(
                f"Cannot load checkpoint '{self._value('checkpoint') or 'the shipped one'}' on device "
                f"'{self._value('device')}': {error}. Correct the parameters checkpoint and device, then run: "
                f"ros2 lifecycle set {self.get_fully_qualified_name()} configure"
            )
            return FAILURE
        seconds = f" ({predictor.horizon * predictor.step_duration:.1f} s)" if predictor.step_duration else ""
        self.get_logger().info(f"Model loaded; it predicts {predictor.horizon} steps{seconds} ahead")
        return LifecycleNodeMixin.on_configure(self, state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen to the camera."""
        qos = QoSProfile(depth=IMAGE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._subscribe_image(qos, qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self.get_logger().info(
            f"Active: frames from {self._image_subscription.topic_name}, "
            f"predictions on {self._prediction_publisher.topic_name}, instruction '{self._instruction}'"
        )
        return LifecycleNodeMixin.on_activate(self, state)

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening to the camera; the model stays loaded."""
        self._stop_predicting()
        return LifecycleNodeMixin.on_deactivate(self, state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop predicting and free the model, from any state."""
        self._stop_predicting()
        self._release()
        return SUCCESS

    on_error = on_shutdown

    def _autostart(self) -> None:
        self._autostart_timer.cancel()
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def stop(self, timeout: float) -> None:
        """Before the process ends: give a prediction under way this long (seconds), and start none after it."""
        self._stopping = True
        worker = self._worker
        if worker is not None:
            worker.stop(timeout)

    def destroy_node(self) -> None:
        """Destroy all that belongs to the node."""
        super().destroy_node()
        self._state_machine = None  # it would keep the node alive, and with it the process's place in the network

    def _stop_predicting(self) -> None:
        if self._image_subscription is not None:
            self.destroy_subscription(self._image_subscription)
            self._image_subscription = None
        if self._worker is not None:
            self._worker.forget_frame()

    def _release(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        if self._prediction_publisher is not None:
            self.destroy_lifecycle_publisher(self._prediction_publisher)
            self._prediction_publisher = None
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
            sys.modules["torch"].cuda.empty_cache()

    # Parameters ------------------------------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _settings(self) -> PredictionSettings:
        return PredictionSettings(self._value("steps") or None, self._value("seed"), self._value("max_rate"))

    def _check_parameters(self, parameters: list) -> SetParametersResult:
        names = [parameter.name for parameter in parameters if parameter.name in READ_WHEN_CONFIGURING]
        if names and self._state_machine.current_state[0] != State.PRIMARY_STATE_UNCONFIGURED:
            reason = f"{', '.join(names)} is read when the node configures: deactivate it and clean it up first"
            return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    # Messages --------------------------------------------------------------------------------------------------

    def _subscribe_instruction(self) -> None:
        # A latched publisher reaches both subscriptions (repeats are dropped), a plain `ros2 topic pub` the first only.
        self.create_subscription(
            String, "instruction", self._on_instruction, QoSProfile(depth=1), callback_group=self._inputs
        )
        quiet = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)
        self.create_subscription(
            String, "instruction", self._on_instruction, LATCHED, callback_group=self._inputs, event_callbacks=quiet
        )

    def _on_instruction(self, message: String) -> None:
        if not message.data.strip():
            self.get_logger().warning("Empty instruction ignored on topic instruction", throttle_duration_sec=5.0)
        self._accept_instruction(message.data)

    def _accept_instruction(self, text: str) -> None:
        text = text.strip()
        if text and text != self._instruction:
            self._instruction = text
            self._instruction_publisher.publish(String(data=text))
            self.get_logger().info(f"Instruction: '{text}'")

    def _subscribe_image(self, qos: QoSProfile, **kwargs: Any) -> None:
        self._image_qos = qos  # rclpy writes the user's overrides into it
        events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_camera)
        self._image_subscription = self.create_subscription(
            Image, "image", self._on_image, qos, callback_group=self._inputs, event_callbacks=events, **kwargs
        )

    def _on_incompatible_camera(self, event: Any) -> None:
        """Listen as best effort once a camera turns out to publish so. Reliable first: it loses no large frames."""
        if self._image_subscription is None or self._image_qos.reliability == ReliabilityPolicy.BEST_EFFORT:
            return
        self.destroy_subscription(self._image_subscription)
        self._image_qos.reliability = ReliabilityPolicy.BEST_EFFORT
        self._subscribe_image(self._image_qos)
        self.get_logger().info(f"The camera on {self._image_subscription.topic_name} is best effort; listening as such")

    def _on_image(self, message: Image) -> None:
        worker = self._worker
        if worker is None:
            return
        if not self._instruction:
            self.get_logger().warning(
                "Frames wait for an instruction: publish a std_msgs/String on topic instruction or set the parameter "
                "instruction",
                throttle_duration_sec=10.0,
            )
            return
        try:
            worker.put(Frame(message.header, rgb_from_image(message), self._instruction))
        except ImageMessageError as error:
            self.get_logger().warning(
                f"Frame dropped on topic {self._image_subscription.topic_name}: {error}", throttle_duration_sec=5.0
            )

    def _publish(self, header: Header, rgb: np.ndarray) -> None:
        publisher = self._prediction_publisher
        try:
            if publisher is not None:
                publisher.publish(image_from_rgb(rgb, header))
        except Exception:
            if self.context.ok():  # after the signal the publisher may be gone already
                raise

    def _load(self) -> FramePredictor:
        from framepred_ros.checkpoint import resolve_checkpoint, shipped_checkpoint

        checkpoint = resolve_checkpoint(self._value("checkpoint") or shipped_checkpoint())
        # Only now: importing torch takes seconds. The ROS interfaces are there before, and a wrong path needs no torch.
        from framepred_ros.predictor import FramePredictor

        predictor = FramePredictor.from_pretrained(checkpoint, device=self._value("device"))
        # The first prediction is slow; make it before the node says that it is ready.
        predictor.predict(np.zeros((256, 256, 3), np.uint8), "warm up", steps=1, seed=0)
        return predictor


def main(args: list[str] | None = None) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    with ros_process(args):
        node = create_node(PredictorNode)
        executor = MultiThreadedExecutor(num_threads=3)
        executor.add_node(node)
        try:
            executor.spin()
        finally:
            node.stop(STOP_TIMEOUT)
            # The base class's: it does not wait for the thread of a callback that waits for a model to load.
            Executor.shutdown(executor, timeout_sec=0)
            node.destroy_node()
    end_process()


if __name__ == "__main__":
    main()
