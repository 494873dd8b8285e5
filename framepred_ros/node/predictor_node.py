"""The lifecycle node that predicts the camera's future frame: ROS on the outside, `FramePredictor` inside."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from framepred_ros.node.camera_channel import RememberedCamera, Shared
from framepred_ros.node.diagnostics import NodeHealth, camera_status, node_status
from framepred_ros.node.instruction_topic import InstructionTopic
from framepred_ros.node.namesakes import Namesakes, this_process
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.parameters import PREDICTOR_PARAMETERS
from framepred_ros.node.pipeline import PredictionPipeline
from framepred_ros.node.services import PredictionServices
from framepred_ros.ros.guards import guarded, refuse_illegal_transitions, steady_clock, transition
from framepred_ros.ros.image_messages import converter
from framepred_ros.ros.parameters import Changeable, ParameterSpec, declare_parameters
from framepred_ros.ros.process import NodeExecutor, create_node, end_process, ros_process

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
EXECUTOR_THREADS = 4  # one may wait for a model to load, one for a prediction on demand
DIAGNOSTICS_PERIOD = 1.0  # seconds
STOP_TIMEOUT = 0.8  # seconds that a prediction under way gets at the end
# Seconds for which a thread may keep Python to itself while another waits; Python's own 5 ms are half of what the
# executor may be late.
SWITCH_INTERVAL = 1e-3


class PredictorNode(LifecycleNodeMixin, Node):
    """Camera frames and instructions in, predicted frames out; docs/node.md lists topics, parameters and services."""

    def __init__(self, **kwargs: Any) -> None:
        Node.__init__(self, "predictor", **kwargs)
        # Re-entrant, and not the node's default group: `configuring` can be asked for while a model loads.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        refuse_illegal_transitions(self)
        declare_parameters(self, PREDICTOR_PARAMETERS, self._objection)
        self._inputs = MutuallyExclusiveCallbackGroup()
        self._remembered: dict[str, RememberedCamera] = {}  # outlives the pipeline
        self._pipeline: PredictionPipeline | None = None
        self._stopping = False
        self._failure = ""
        self._on_demand = PredictionServices(self, self._request_prediction)
        self._instruction = InstructionTopic(self, "", self._inputs)
        if self._value("instruction").strip():
            self._instruction.accept(self._value("instruction"))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        timer = self._create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics)
        self._namesakes = Namesakes(self, timer.callback_group)
        if self._value("autostart"):
            self._autostart_timer = self._create_timer(0.0, self._autostart)

    # Lifecycle -------------------------------------------------------------------------------------------------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and offer the outputs. FAILURE leaves the node unconfigured."""
        converter()  # fails here, with the remedy, rather than at the first frame
        shared = Shared(self, self._instruction, lambda: self._on_demand.paused, self._inputs)
        self._pipeline = pipeline = PredictionPipeline(shared, self._remembered)
        if self._stopping:  # set before `stop` looks for a pipeline, so that either this or `stop` notices the other
            pipeline.stop()
        try:
            pipeline.open()
        except CancelledError:
            self.get_logger().info("The process ends before the model is loaded")
            self._release()
            return FAILURE
        except Exception:
            self._release()
            raise
        seconds = f" ({pipeline.horizon:.1f} s)" if pipeline.horizon else ""
        self.get_logger().info(f"Model loaded; it predicts {pipeline.steps_ahead} steps{seconds} ahead")
        return LifecycleNodeMixin.on_configure(self, state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen to the cameras."""
        try:
            self._pipeline.listen()
        except Exception:
            self._pipeline.stop_listening()
            raise
        for channel in self._pipeline.channels.values():
            self.get_logger().info(
                f"Active: frames from {channel.input.topic}, predictions on {channel.outputs.topic}, "
                f"instruction '{channel.instruction}'"
            )
        return LifecycleNodeMixin.on_activate(self, state)

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening to the cameras; the model stays loaded."""
        self._pipeline.stop_listening()
        return LifecycleNodeMixin.on_deactivate(self, state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop predicting and free the model, from any state."""
        if self._pipeline is not None:
            self._pipeline.stop_listening()
        self._release()
        return SUCCESS

    on_error = on_shutdown

    def transition_ended(self, name: str, error: str) -> None:
        """Say why a transition failed and what to do; nothing after a success."""
        node = self.get_fully_qualified_name()
        remedy = f"Correct it, then run: ros2 lifecycle set {node} {name}"
        self._failure = f"Cannot {name}: {error}. {remedy}" if error else ""
        if error:
            self.get_logger().error(self._failure)

    def stop(self, timeout: float) -> None:
        """Before the process ends: give a prediction under way this long (seconds), and start none after it."""
        self._stopping = True
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.stop(timeout)

    def destroy_node(self) -> None:
        """Destroy all that belongs to the node."""
        super().destroy_node()
        self._state_machine = None  # it would keep the node alive, and with it the process's place in the network

    def _autostart(self) -> None:
        self._autostart_timer.cancel()
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def _release(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            self._remembered |= pipeline.close()

    # Parameters, requests, diagnostics --------------------------------------------------------------------------

    @property
    def _state(self) -> tuple[int, str]:
        return self._state_machine.current_state

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _objection(self, spec: ParameterSpec, value: Any) -> str:
        """Return why a parameter must not change to a valid value now; empty if it may."""
        pipeline = self._pipeline
        if self._state[0] == State.PRIMARY_STATE_UNCONFIGURED:
            return ""
        if spec.changeable is Changeable.UNCONFIGURED:
            return f"{spec.name} is read when the node configures: deactivate it and clean it up first"
        return pipeline.objection(spec.name, value) if pipeline is not None and pipeline.predictor is not None else ""

    def _request_prediction(self) -> Future[list[Frame]]:
        pipeline = self._pipeline
        if pipeline is None or self._state[0] != State.PRIMARY_STATE_ACTIVE:
            raise LookupError(f"the node is {self._state[1]}: activate it first")
        return pipeline.request()

    def _publish_diagnostics(self) -> None:
        name, pipeline = self.get_fully_qualified_name(), self._pipeline
        predictor = pipeline.predictor if pipeline is not None else None
        health = NodeHealth(
            state=self._state[1],
            failure=self._failure,
            paused=self._on_demand.paused,
            device="" if predictor is None else str(predictor.device),
            engine="" if predictor is None else predictor.engine,
            checkpoint=self._value("checkpoint") or "the shipped one",
            horizon=None if predictor is None else pipeline.horizon,
            process=this_process(),
            namesakes=self._namesakes.look(),
        )
        message = DiagnosticArray(status=[node_status(name, health)])
        message.header.stamp = self.get_clock().now().to_msg()
        if self._state[0] == State.PRIMARY_STATE_ACTIVE and pipeline is not None:
            for channel in pipeline.channels.values():
                status = camera_status(f"{name}: camera {channel.name}".rstrip(), health.device, channel.health())
                message.status.append(status)
        self._diagnostics.publish(message)

    def _create_timer(self, period: float, callback: Callable[[], None]) -> Any:
        group = MutuallyExclusiveCallbackGroup()
        return self.create_timer(period, guarded(self, callback), group, clock=steady_clock())


def main(args: list[str] | None = None, node_type: type[PredictorNode] = PredictorNode) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    with ros_process(args):
        node = create_node(node_type)
        executor = NodeExecutor(num_threads=EXECUTOR_THREADS)
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
