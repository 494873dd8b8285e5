"""What the node reports on /diagnostics: one status for the node and one per camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from framepred_ros.node.memory import memory_in_use
from framepred_ros.node.namesakes import PROCESS
from framepred_ros.node.statistics import Drop, Summary

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import MonitorHealth

STALE_AFTER = 2.0  # seconds without a frame
RARE = 0.2  # hertz; with a lower max_rate the statistics' window may hold no prediction


@dataclass(frozen=True)
class NodeHealth:
    """The node as a whole.

    Attributes:
        state: lifecycle state.
        failure: why the last transition failed; empty if it did not.
        paused: whether `~/pause` holds predictions back.
        device: torch device of the loaded model; empty without one.
        engine: how it runs (`FramePredictor.engine`); empty without one.
        checkpoint: what is loaded, or would be.
        horizon: seconds that predictions look ahead; None if unknown.
        process: what tells the node's process from others.
        namesakes: the processes of other nodes of the same name.
    """

    state: str
    failure: str
    paused: bool
    device: str
    engine: str
    checkpoint: str
    horizon: float | None
    process: str = ""
    namesakes: Sequence[str] = ()


@dataclass(frozen=True)
class CameraHealth:
    """One camera of the active node.

    Attributes:
        topic: where its frames come from.
        instruction: the one in force; empty: none.
        summary: its figures.
        monitor: what the monitor says; None if it is off.
        max_rate: the parameter, hertz.
        past: how many earlier frames the last prediction was given, and how many the model takes; None: it takes none.
    """

    topic: str
    instruction: str
    summary: Summary
    monitor: MonitorHealth | None
    max_rate: float = 0.0
    past: tuple[int, int] | None = None


def node_status(name: str, health: NodeHealth) -> DiagnosticStatus:
    """Return the node's status: ERROR after a transition that failed, WARN beside a namesake, else OK."""
    level, message = DiagnosticStatus.OK, "paused" if health.paused and health.state == "active" else health.state
    if health.namesakes:
        level, message = DiagnosticStatus.WARN, namesakes_text(name, health.namesakes)
    if health.failure:
        level, message = DiagnosticStatus.ERROR, health.failure
    values = {
        "state": health.state,
        "paused": health.paused,
        "device": health.device or "no model loaded",
        "engine": health.engine or "no model loaded",
        "checkpoint": health.checkpoint,
        "horizon (s)": _number(health.horizon, 2),
        PROCESS: health.process,
        **memory_in_use(health.device),
    }
    return _status(level, name, message, health.device, values)


def namesakes_text(name: str, processes: Sequence[str]) -> str:
    """Return what is wrong when other processes run a node of the same name, and what to do."""
    return (
        f"another node is named {name}, too: process {', '.join(processes)}; both publish on the same topics. End one, "
        "or give it another name with --ros-args -r __node:=NAME"
    )


def camera_status(name: str, device: str, health: CameraHealth) -> DiagnosticStatus:
    """Return a camera's status while the node is active; the first of its troubles gives the level and the message."""
    summary = health.summary
    values = {
        "image topic": health.topic,
        "instruction": health.instruction or "none",
        "input rate (Hz)": _number(summary.input_rate, 1),
        "output rate (Hz)": _number(summary.output_rate, 1),
        "age of last frame (s)": _number(summary.age, 2),
        "latency median (ms)": _number(summary.latency_median, 0, 1000),
        "latency p95 (ms)": _number(summary.latency_p95, 0, 1000),
        **({"past frames": "{} of {}".format(*health.past)} if health.past else {}),
        **{f"dropped, {reason.value}": summary.dropped.get(reason, 0) for reason in Drop},
        **(health.monitor.values if health.monitor else {}),
    }
    level, message = _camera_level(health)
    return _status(level, name, message, device, values)


def _camera_level(health: CameraHealth) -> tuple[bytes, str]:
    summary, recent = health.summary, health.summary.recent
    if summary.age is None or summary.age > STALE_AFTER:
        since = "yet" if summary.age is None else f"for {summary.age:.1f} s"
        return DiagnosticStatus.STALE, f"no frame from {health.topic} {since}"
    if Drop.FAILED in recent:
        return DiagnosticStatus.ERROR, f"predictions fail: {recent[Drop.FAILED]}"
    if Drop.UNPUBLISHED in recent:
        return DiagnosticStatus.ERROR, f"predictions cannot be published: {recent[Drop.UNPUBLISHED]}"
    if health.monitor and health.monitor.alert:
        return DiagnosticStatus.WARN, health.monitor.alert
    for reason in (Drop.UNUSABLE, Drop.REFUSED):
        if reason in recent:
            return DiagnosticStatus.WARN, f"frames are dropped, {reason.value}: {recent[reason]}"
    if not health.instruction:
        return DiagnosticStatus.WARN, "waiting for an instruction"
    if Drop.PAUSED in recent:
        return DiagnosticStatus.OK, "paused"
    if summary.output_rate == 0:
        if Drop.NOT_WATCHED in recent:
            return DiagnosticStatus.OK, "nobody subscribes to a prediction"
        if 0 < health.max_rate < RARE:
            return DiagnosticStatus.OK, f"held back by max_rate, {health.max_rate:g} Hz"
        return DiagnosticStatus.WARN, "frames come in, but no prediction has been made from them"
    return DiagnosticStatus.OK, f"predicting at {summary.output_rate:.1f} Hz"


def _number(value: float | None, digits: int, factor: float = 1.0) -> str:
    return "unknown" if value is None else f"{value * factor:.{digits}f}"


def _status(level: bytes, name: str, message: str, hardware_id: str, values: dict[str, Any]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware_id, values=pairs)
