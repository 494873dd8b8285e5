"""The lifecycle node that predicts the camera's future frame. The predictor thinks, this talks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.executors import Executor, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from framepred_ros.image_messages import converter
from framepred_ros.node.camera_channel import CameraChannel
from framepred_ros.node.diagnostics import NodeHealth, camera_status, node_status
from framepred_ros.node.frames import Frame
from framepred_ros.node.guards import guarded, transition
from framepred_ros.node.instruction_topic import InstructionTopic
from framepred_ros.node.prediction_worker import PredictionSettings, PredictionWorker, free_memory
from framepred_ros.node.services import PredictionServices
from framepred_ros.node.statistics import Drop
from framepred_ros.node_parameters import PREDICTOR_PARAMETERS, Changeable, ParameterSpec, declare_parameters
from framepred_ros.node_process import create_node, end_process, ros_process

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import CameraMonitor
    from framepred_ros.predictor import FramePredictor

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
EXECUTOR_THREADS = 4  # one may wait for a model to load, one for a prediction on demand
DIAGNOSTICS_PERIOD = 1.0  # seconds
UNKNOWN_STEP = "the checkpoint does not say how long a step is; set the parameter step_duration"
STOP_TIMEOUT = 0.8  # seconds that a prediction under way gets at the end


class PredictorNode(LifecycleNodeMixin, Node):
    """Camera frames and instructions in, predicted frames out; docs/node.md lists topics, parameters and services."""

    def __init__(self, **kwargs: Any) -> None:
        Node.__init__(self, "predictor", **kwargs)
        # Re-entrant, and not the node's default group: `configuring` can be asked for while a model loads.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        declare_parameters(self, PREDICTOR_PARAMETERS, self._objection)
        self._inputs = MutuallyExclusiveCallbackGroup()
        self._stopping = False
        self._failure = ""
        self._worker: PredictionWorker | None = None
        self._predictor: FramePredictor | None = None
        self._channels: dict[str, CameraChannel] = {}
        self._frame_shapes: dict[str, tuple[int, ...]] = {}
        self._services_offered = PredictionServices(self, self._request_prediction)
        self._instruction = InstructionTopic(self, "", self._inputs)
        if self._value("instruction").strip():
            self._instruction.accept(self._value("instruction"))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics)
        if self._value("autostart"):
            self._autostart_timer = self._create_timer(0.0, self._autostart)

    # Lifecycle -------------------------------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model in the worker's thread and offer the outputs. FAILURE leaves the node unconfigured."""
        try:
            converter()  # fails here, with the remedy, rather than at the first frame
            self._predictor = self._load_in_worker()
            self._channels = {name: self._create_channel(name) for name in self._camera_names}
            if objection := self._stamp_objection(self._value("stamp")):
                raise ValueError(objection)
        except CancelledError:  # the process ends
            self._release()
            return FAILURE
        except Exception:
            self._release()
            raise
        self._failure = ""
        seconds = f" ({self.horizon:.1f} s)" if self.horizon else ""
        self.get_logger().info(f"Model loaded; it predicts {self._predictor.horizon} steps{seconds} ahead")
        return LifecycleNodeMixin.on_configure(self, state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen to the cameras."""
        for channel in self._channels.values():
            channel.input.open()
            self.get_logger().info(
                f"Active: frames from {channel.input.topic}, predictions on {channel.outputs.topic}, "
                f"instruction '{channel.instruction}'"
            )
        return LifecycleNodeMixin.on_activate(self, state)

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening to the cameras; the model stays loaded."""
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

    def transition_failed(self, reason: str) -> None:
        """Say why a transition failed and what to do."""
        self._failure = (
            f"{reason}. Correct it, then run: ros2 lifecycle set {self.get_fully_qualified_name()} configure"
        )
        self.get_logger().error(self._failure)

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

    def _autostart(self) -> None:
        self._autostart_timer.cancel()
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def _create_channel(self, name: str) -> CameraChannel:
        transport, monitor = self._value("image_transport"), self._create_monitor(name)
        return CameraChannel(self, name, transport, self._instruction, self._on_frame, self._inputs, monitor)

    def _create_monitor(self, name: str) -> CameraMonitor | None:
        if not self._value("monitor"):
            return None
        from framepred_ros.node.camera_monitor import CameraMonitor, MonitorOptions

        if self.horizon is None:
            raise ValueError(f"the monitor needs the horizon in seconds: {UNKNOWN_STEP}")
        options = MonitorOptions(
            horizon=self.horizon,
            tolerance=self._value("monitor_tolerance"),
            rate=self._value("monitor_rate"),
            window=self._value("monitor_window"),
            learning=self._value("monitor_learning"),
            lowest_ssim=self._value("monitor_lowest_ssim") or None,
            highest_surprise=self._value("monitor_highest_surprise") or None,
        )
        return CameraMonitor(self, name, options)

    def _load_in_worker(self) -> FramePredictor:
        self._worker = PredictionWorker(self, self.get_logger())
        if self._stopping:  # set before `stop` looks for a worker, so one of the two sides sees the other
            self._worker.stop()
        try:
            return self._worker.loaded.result()
        except Exception as error:
            raise RuntimeError(
                f"checkpoint '{self._checkpoint}' cannot be loaded on device '{self._value('device')}' "
                f"(parameters checkpoint and device): {error}"
            ) from error

    def _stop_predicting(self) -> None:
        for channel in self._channels.values():
            channel.input.close()
            if channel.monitor is not None:
                channel.monitor.reset()
        if self._worker is not None:
            self._worker.frames.clear()

    def _release(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self._worker = self._predictor = None
        for channel in self._channels.values():
            channel.close()
        self._channels = {}
        free_memory()

    # Parameters ------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> float | None:
        """How far ahead the loaded model predicts, in seconds; None without a model, or if neither it nor the
        parameter `step_duration` says how long a step is."""
        if self._predictor is None:
            return None
        step_duration = self._value("step_duration") or self._predictor.step_duration
        return self._predictor.horizon * step_duration if step_duration else None

    @property
    def _state(self) -> tuple[int, str]:
        return self._state_machine.current_state

    @property
    def _checkpoint(self) -> str:
        return self._value("checkpoint") or "the shipped one"

    @property
    def _camera_names(self) -> list[str]:
        return list(self._value("cameras")) or [""]

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _objection(self, spec: ParameterSpec, value: Any) -> str:
        """Return why a parameter must not change to a valid value now; empty if it may."""
        if self._state[0] == State.PRIMARY_STATE_UNCONFIGURED:
            return ""
        if spec.changeable is Changeable.UNCONFIGURED:
            return f"{spec.name} is read when the node configures: deactivate it and clean it up first"
        return self._stamp_objection(value) if spec.name == "stamp" else ""

    def _stamp_objection(self, stamp: str) -> str:
        if stamp == "predicted" and self.horizon is None:
            return f"stamp 'predicted' needs the horizon in seconds: {UNKNOWN_STEP}"
        return ""

    # The executor's side: every callback is short ---------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        channel, worker = self._channels.get(frame.camera), self._worker
        if channel is None or worker is None:
            return
        channel.statistics.frame_received()
        if channel.monitor is not None:
            channel.monitor.add_frame(frame, channel.instruction)
        unwanted = self._why_unwanted(channel)
        if worker.frames.put(frame, wanted=unwanted is None):
            channel.statistics.frame_dropped(Drop.SUPERSEDED)
        if unwanted is not None:
            channel.statistics.frame_dropped(unwanted)

    def _why_unwanted(self, channel: CameraChannel) -> Drop | None:
        if self._services_offered.paused:
            return Drop.PAUSED
        if not channel.instruction:
            self.get_logger().warning(
                "Frames wait for an instruction: publish a std_msgs/String on topic instruction or set the parameter "
                "instruction",
                throttle_duration_sec=10.0,
            )
            return Drop.NO_INSTRUCTION
        needed = channel.monitor is not None or channel.outputs.watched or not self._value("lazy")
        return None if needed else Drop.NOT_WATCHED

    def _request_prediction(self) -> Future[list[Frame]]:
        worker = self._worker
        if worker is None or self._state[0] != State.PRIMARY_STATE_ACTIVE:
            raise LookupError(f"the node is {self._state[1]}: activate it first")
        if not any(channel.instruction for channel in self._channels.values()):
            raise LookupError("there is no instruction: publish one first")
        return worker.frames.request()

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name()
        device = "" if self._predictor is None else str(self._predictor.device)
        paused = self._services_offered.paused
        health = NodeHealth(self._state[1], self._failure, paused, device, self._checkpoint, self.horizon)
        message = DiagnosticArray(status=[node_status(name, health)])
        message.header.stamp = self.get_clock().now().to_msg()
        if self._state[0] == State.PRIMARY_STATE_ACTIVE:
            for channel in self._channels.values():
                status = camera_status(f"{name}: camera {channel.name}".rstrip(), device, channel.health())
                message.status.append(status)
        self._diagnostics.publish(message)

    def _create_timer(self, period: float, callback: Callable[[], None]) -> Any:
        return self.create_timer(period, guarded(self, callback), MutuallyExclusiveCallbackGroup())

    # The worker's side: its thread calls these ------------------------------------------------------------------

    def load_predictor(self) -> FramePredictor:
        """Open the checkpoint and warm it up. Raises what `FramePredictor.from_pretrained` raises."""
        from framepred_ros.checkpoint import resolve_checkpoint, shipped_checkpoint

        checkpoint = resolve_checkpoint(self._value("checkpoint") or shipped_checkpoint())
        # Only now: importing torch takes seconds. The ROS interfaces are there before, and a wrong path needs no torch.
        from framepred_ros.predictor import FramePredictor

        predictor = FramePredictor.from_pretrained(checkpoint, device=self._value("device"))
        # The first prediction is slow; make it before the node says that it is ready, for all cameras at once and with
        # their frames' sizes where they are known from an earlier time.
        shapes = [self._frame_shapes.get(name, (*predictor.info.resolution, 3)) for name in self._camera_names]
        pictures = [np.zeros(shape, np.uint8) for shape in shapes]
        predictor.predict_batch(pictures, ["warm up"] * len(pictures), steps=1, seed=0)
        return predictor

    def settings(self) -> PredictionSettings:
        """Return the settings of the next prediction."""
        return PredictionSettings(self._value("steps") or None, self._value("seed"), self._value("max_rate"))

    def instruction_for(self, camera: str) -> str:
        """Return the instruction in force for a camera; empty: none."""
        return self._channels[camera].instruction

    def prediction_made(self, frame: Frame, predicted: np.ndarray) -> None:
        """Publish a prediction."""
        channel = self._channels[frame.camera]
        try:
            channel.outputs.publish(self._output_header(frame), frame.rgb, predicted, self._value("jpeg_quality"))
        except Exception:
            if self.context.ok():  # after the signal the publishers may be gone already
                raise
        channel.statistics.prediction_made(time.monotonic() - frame.received)
        if channel.monitor is not None:
            channel.monitor.add_prediction(frame, predicted)
        self._frame_shapes[frame.camera] = predicted.shape

    def frame_dropped(self, frame: Frame, reason: Drop, detail: str = "") -> None:
        """Count a frame that nothing was predicted from, and say why."""
        channel = self._channels[frame.camera]
        channel.statistics.frame_dropped(reason, detail)
        logger, topic = self.get_logger(), channel.input.topic
        if reason is Drop.UNUSABLE:
            logger.warning(f"Frame dropped on topic {topic}: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.REFUSED:
            logger.warning(f"Frame dropped on topic {topic}, the model refuses it: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.FAILED:
            logger.error(f"Prediction failed, tried again and failed: {detail}", throttle_duration_sec=5.0)

    def _output_header(self, frame: Frame) -> Header:
        horizon = self.horizon
        if self._value("stamp") == "source" or horizon is None:
            return frame.header
        stamp = Time.from_msg(frame.header.stamp) + Duration(seconds=horizon)
        return Header(stamp=stamp.to_msg(), frame_id=frame.header.frame_id)


def main(args: list[str] | None = None) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    with ros_process(args):
        node = create_node(PredictorNode)
        executor = MultiThreadedExecutor(num_threads=EXECUTOR_THREADS)
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
