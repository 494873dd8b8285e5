"""How soon a node answers: one parameter request after the other, from a process that does nothing else.

python -m benchmarks.asker --node predictor --seconds 30     prints a line when it begins, then a JSON list of seconds
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor

PERIOD = 0.05  # seconds between two requests
TIMEOUT = 10.0  # seconds for the node to appear, and for an answer


def ask(node_name: str, seconds: float) -> list[float]:
    """Returns how long each answer took, in seconds.

    Raises:
        TimeoutError: the node is not there, or does not answer.
    """
    rclpy.init()
    node = rclpy.create_node("asker")
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        client = node.create_client(GetParameters, f"{node_name}/get_parameters")
        if not client.wait_for_service(TIMEOUT):
            raise TimeoutError(f"no node {node_name} within {TIMEOUT:g} s")
        print("asking", flush=True)
        answers, end = [], time.monotonic() + seconds
        while (asked := time.monotonic()) < end:
            future = client.call_async(GetParameters.Request(names=["use_sim_time"]))
            executor.spin_until_future_complete(future, TIMEOUT)
            if not future.done():
                raise TimeoutError(f"node {node_name} did not answer within {TIMEOUT:g} s")
            answers.append(time.monotonic() - asked)
            time.sleep(max(0.0, PERIOD - answers[-1]))
        return answers
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 no answer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asker", description=__doc__.splitlines()[0])
    parser.add_argument("--node", required=True)
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args(arguments)
    try:
        print(json.dumps(ask(args.node, args.seconds)))
    except TimeoutError as error:
        print(f"benchmarks.asker: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
