"""Keeps the tests' ROS traffic to themselves, on this machine, and lets ROS check every message field."""

import os
import tempfile
from pathlib import Path

from framepred_ros.ros.local_network import free_domain_id, local_environment

# Before anything imports rclpy: these are read once per process. Child processes inherit them.
os.environ.pop("ROS_DOMAIN_ID", None)
os.environ.update(local_environment(free_domain_id()))
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
LOGS = tempfile.TemporaryDirectory(prefix="framepred_ros_log_")
os.environ["ROS_LOG_DIR"] = LOGS.name
CACHE = tempfile.TemporaryDirectory(prefix="framepred_ros_cache_")
os.environ["FRAMEPRED_CACHE"] = CACHE.name  # the user's own stays as it is
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest  # noqa: E402

NODES = [Path(__file__).parent / name for name in ("framepred_ros", "launch")]


def pytest_collection_modifyitems(items):
    """Mark what scripts/test.sh repeats on another distribution of ROS 2: node, transport, lifecycle, demo."""
    for item in items:
        if item.get_closest_marker("ros") and any(item.path.is_relative_to(folder) for folder in NODES):
            item.add_marker("distribution")


@pytest.fixture(scope="session")
def gpu() -> str:
    """The device of the tests that are marked so: a CUDA device, or what FRAMEPRED_GPU_TESTS says in its place."""
    import torch

    device = os.environ.get("FRAMEPRED_GPU_TESTS", "cuda")
    if device.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return device


@pytest.fixture
def any_precision():
    """accelerate lets a process have one precision only."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A checkpoint folder with small random weights."""
    from tiny_checkpoint import make_tiny_checkpoint

    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def large_picture():
    """A PNG of 40 kB whose header and data say 12000x12000 pixels: 144 MB once decoded."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 12000, 12000, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = b"".join([*(packer.compress(bytes(12001 * 500)) for _ in range(24)), packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def tester():
    """A node of the test process that publishes, records, calls services and waits for conditions."""
    from ros_testing import running_tester

    with running_tester() as node:
        yield node
