"""What a robot does to a node, on purpose: faults tried, survived, predictions lost.

python -m benchmarks.faults [--messages 10000] [--storm 5] [--checkpoint DIR] --out DIR

The node runs in a process of its own; a fault is survived when the node predicts from a frame sent after it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.table import Table
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from tqdm import tqdm

from benchmarks.rig import Rig
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.files import write_text
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.ros.image_messages import image_from_rgb
from framepred_ros.ros.local_network import free_domain_id, local_environment
from framepred_ros.ros.pixel_layouts import BYTES_PER_PIXEL
from framepred_ros.tables import print_tables

STATES = {"unconfigured": (), "inactive": ("configure",), "active": ("configure", "activate")}
SIZES = ((96, 128), (240, 320), (64, 64), (480, 640), (101, 77))
ENCODINGS = ("rgb8", "bgr8", "rgba8", "mono8", "bayer_rggb8", "mono16")


@dataclass(frozen=True)
class Outcome:
    """One kind of fault: how often it was done and survived, predictions out of order meanwhile, and a remark."""

    fault: str
    tried: int
    survived: int
    out_of_order: int = 0
    remark: str = ""


def malformed_message(random: np.random.Generator) -> Image:
    """An image message whose fields contradict each other or hold anything."""
    picture = random.integers(0, 256, (64, 64, 3), np.uint8)
    message = image_from_rgb(picture, Header(frame_id="camera"))
    for field in random.choice(("encoding", "height", "width", "step", "data", "is_bigendian"), random.integers(1, 4)):
        if field == "encoding":
            message.encoding = str(random.choice([*BYTES_PER_PIXEL, "", "RGB8", "32FC1", "nv12", "\u2603", "x" * 300]))
        elif field == "data":
            message.data = message.data[: int(random.integers(0, len(message.data)))]
        elif field == "is_bigendian":
            message.is_bigendian = int(random.integers(0, 256))
        else:
            setattr(message, field, int(random.choice([0, 1, 63, 65, 2**16, 2**31, 2**32 - 1])))
    return message


def malformed_messages(rig: Rig, node: ChildProcess, count: int) -> Outcome:
    """Publish fuzzed messages, with a good frame after every hundred."""
    random = np.random.default_rng(0)
    for index in tqdm(range(count), desc="malformed messages", disable=None):
        rig.send(malformed_message(random))
        rig.spin(0.001)
        if index % 100 == 99 and not rig.predicts(node):
            return Outcome("malformed messages", index + 1, 0, remark=node.describe_end())
    return Outcome("malformed messages", count, count if rig.predicts(node) else 0)


def changes_of_format(rig: Rig, node: ChildProcess) -> Outcome:
    """Change size and encoding in the middle of the stream."""
    survived = 0
    for size in SIZES:
        survived += rig.predicts(node, cv2.resize(rig.picture, size[::-1]))
    for encoding in ENCODINGS:
        message = Image(height=64, width=64, encoding=encoding, step=64 * BYTES_PER_PIXEL[encoding])
        message.data.frombytes(bytes(message.height * message.step))
        known = len(rig.predictions)
        survived += rig.wait_until(lambda m=message, k=known: rig.send(m) and rig.spin(0.1) or len(rig.predictions) > k)
    return Outcome("size or encoding changes", len(SIZES) + len(ENCODINGS), survived)


def clock_jumps(rig: Rig, node: ChildProcess, times: int = 5) -> Outcome:
    """Stamps start again, as when a bag loops."""
    survived = 0
    for _ in range(times):
        start, known = 10**9, len(rig.predictions)
        for index in range(10):
            rig.send_picture(stamp=start + index * 10**8)
            rig.spin(0.1)
        survived += rig.wait_until(lambda k=known: len(rig.predictions) > k)
    return Outcome("clock jumps back", times, survived)


def camera_deaths(rig: Rig, node: ChildProcess) -> Outcome:
    """The camera goes away for a second and comes back, reliable or best effort."""
    survived, kinds = 0, (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE)
    for reliability in kinds:
        rig.node.destroy_publisher(rig.camera)
        rig.spin(1.0)
        rig.camera = rig.node.create_publisher(Image, "image", QoSProfile(depth=1, reliability=reliability))
        survived += rig.predicts(node)
    return Outcome("camera dies and returns", len(kinds), survived)


def instruction_storm(rig: Rig, node: ChildProcess, seconds: float, rate: float = 1000.0) -> Outcome:
    """A thousand different instructions a second; the last one must be in force in the end."""
    echoes: list[String] = []
    rig.node.create_subscription(String, "predictor/instruction", echoes.append, 10)
    rig.wait_until(rig.instructions.get_subscription_count)
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while sent < elapsed * rate:
            rig.instructions.publish(String(data=f"instruction {sent}"))
            sent += 1
        if sent % 100 == 0:
            rig.send_picture()
        rig.spin(0.001)
    calm = rig.predicts(node)
    rig.instructions.publish(String(data="the last one"))
    last = rig.wait_until(lambda: echoes and echoes[-1].data == "the last one")
    remark = f"{sent / seconds:.0f} a second for {seconds:g} s"
    return Outcome("instruction storm", 1, int(calm and last and rig.predicts(node)), remark=remark)


def deaf_subscriber(rig: Rig, node: ChildProcess) -> Outcome:
    """Somebody subscribes to the predictions and never reads."""
    import rclpy
    from rclpy.node import Node

    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    deaf = Node("deaf", context=context)
    deaf.create_subscription(Image, "predicted_frame", lambda message: None, QoSProfile(depth=1))
    rig.wait_until(lambda: rig.node.count_subscribers("predicted_frame") > 1)
    survived = all(rig.predicts(node) for _ in range(10))
    deaf.destroy_node()
    rclpy.try_shutdown(context=context)
    return Outcome("a subscriber never reads", 1, int(survived))


def kill_and_restart(rig: Rig) -> Outcome:
    """SIGKILL while predicting; the remark says how soon a new process predicts."""
    with rig.start() as node:
        rig.predicts(node)
        node.stop(signal.SIGKILL)
    started = time.monotonic()
    with rig.start() as node:
        survived = rig.predicts(node)
        ready = time.monotonic() - started
    return Outcome("kill -9 and restart", 1, int(survived), remark=f"predicts again {ready:.1f} s after the restart")


def kill_under_supervisor(rig: Rig) -> Outcome:
    """SIGKILL for a node whose supervisor starts it again; the remark says how soon that predicts."""
    with rig.start(module="framepred_ros.node.supervisor") as supervisor:
        rig.predicts(supervisor)
        (node,) = psutil.Process(supervisor.pid).children()
        node.kill()
        started = time.monotonic()
        survived = rig.predicts(supervisor)
        ready = time.monotonic() - started
    return Outcome("kill -9 under the supervisor", 1, int(survived), remark=f"predicts again after {ready:.1f} s")


def terminations(rig: Rig) -> Outcome:
    """SIGTERM in every state, and while a model loads: the process must end by itself with code 0."""
    codes = {}
    for state, transitions in STATES.items():
        with rig.start(autostart=False) as node:
            rig.state()
            for transition in transitions:
                rig.change_state(transition)
            codes[state] = node.stop(signal.SIGTERM)
    with rig.start() as node:
        rig.wait_until(lambda: rig.state() != "unconfigured")
        codes["configuring"] = node.stop(signal.SIGTERM)
    return Outcome("SIGTERM in every state", len(codes), list(codes.values()).count(0), remark=f"exit codes {codes}")


def corrupt_checkpoint(rig: Rig, folder: Path) -> Outcome:
    """A checkpoint with damaged weights is refused; with the right one the same process then works."""
    import shutil

    spoiled = shutil.copytree(rig.checkpoint, folder / "spoiled", dirs_exist_ok=True)
    weights = next(spoiled.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with rig.start(autostart=False, checkpoint=str(spoiled)) as node:
        refused = not rig.change_state("configure") and rig.state() == "unconfigured"
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(rig.checkpoint))
        request = SetParameters.Request(parameters=[Parameter(name="checkpoint", value=value)])
        rig.call(SetParameters, "predictor/set_parameters", request)
        repaired = rig.change_state("configure") and rig.change_state("activate") and rig.predicts(node)
    return Outcome("corrupt checkpoint", 1, int(refused and repaired))


def neighbours(rig: Rig) -> Outcome:
    """Two nodes in different namespaces: one of them dies, the other goes on."""
    with rig.start() as node, rig.start(remap=("__ns:=/other",)) as other:
        rig.wait_until(lambda: ("predictor", "/other") in rig.node.get_node_names_and_namespaces())
        both = rig.predicts(node) and other.exit_code is None
        other.stop(signal.SIGKILL)
        survived = both and rig.predicts(node)
    return Outcome("a neighbour in another namespace dies", 1, int(survived))


def run_faults(rig: Rig, folder: Path, messages: int, storm: float) -> Iterator[Outcome]:
    """Do everything, one fault after the other.

    Raises:
        TimeoutError: the node does not predict to begin with, or does not answer; the message says which.
    """
    with rig.start() as node:
        if not rig.predicts(node):
            raise TimeoutError(f"the node does not predict at all\n{node.describe_end()}")
        on_one_node: list[Callable[[], Outcome]] = [
            lambda: malformed_messages(rig, node, messages),
            lambda: changes_of_format(rig, node),
            lambda: camera_deaths(rig, node),
            lambda: instruction_storm(rig, node, storm),
            lambda: deaf_subscriber(rig, node),
            lambda: clock_jumps(rig, node),
        ]
        for fault in on_one_node:
            yield _observed(rig, fault)
    on_new_nodes: list[Callable[[], Outcome]] = [
        lambda: terminations(rig),
        lambda: corrupt_checkpoint(rig, folder),
        lambda: neighbours(rig),
        lambda: kill_and_restart(rig),
        lambda: kill_under_supervisor(rig),
    ]
    for fault in on_new_nodes:
        yield _observed(rig, fault)


def _observed(rig: Rig, fault: Callable[[], Outcome]) -> Outcome:
    rig.out_of_order = 0
    outcome = fault()
    # A clock that jumps back is the one fault in which older stamps are right: once per jump.
    jumps = outcome.tried if outcome.fault == "clock jumps back" else 0
    return Outcome(**(asdict(outcome) | {"out_of_order": max(0, rig.out_of_order - jumps)}))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 all survived, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000, help="malformed messages (default: 10000)")
    parser.add_argument("--storm", type=float, default=5.0, help="seconds of 1,000 instructions each (default: 5)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder (default: the shipped one)")
    parser.add_argument("--out", type=Path, required=True, help="folder for faults.json and the nodes' logs")
    arguments = parser.parse_args(argv)
    os.environ.update(local_environment(free_domain_id()))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rig = Rig(arguments.out / "logs", str(arguments.checkpoint or shipped_checkpoint()))
    outcomes: list[Outcome] = []
    try:
        for outcome in run_faults(rig, arguments.out, arguments.messages, arguments.storm):
            outcomes.append(outcome)
            rows = [asdict(each) for each in outcomes]
            write_text(arguments.out / "faults.json", json.dumps(rows, indent=2) + "\n")
    except TimeoutError as error:
        print(f"benchmarks.faults: {error}", file=sys.stderr)
        return 1
    finally:
        rig.close()
    table = Table("fault", "tried", "survived", "out of order", "remark")
    for each in outcomes:
        table.add_row(each.fault, str(each.tried), str(each.survived), str(each.out_of_order), each.remark)
    print_tables(table)
    return 0 if all(each.survived == each.tried for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
