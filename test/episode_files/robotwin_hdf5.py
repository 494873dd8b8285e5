"""RoboTwin's HDF5 episodes: 2.0, and the XPolicyLab layout since 2026.

Written from RoboTwin-Platform/RoboTwin: branch stable_2.0, envs/utils/pkl2hdf5.py; branch main, envs/utils/pkl2hdf5.py
(native) and scripts/process_data_xpolicylab.py (converter).
"""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np

CAMERAS = {
    "head_camera": "cam_head",
    "left_camera": "cam_left_wrist",
    "right_camera": "cam_right_wrist",
    "front_camera": "cam_third_view",
}
INSTRUCTIONS = {"seen": ["Do it.", "Do it now.", "Do it."], "unseen": ["Please do it."]}


def encoded(images) -> tuple[list[bytes], int]:
    """RoboTwin's `images_encoding`: RGB arrays handed to OpenCV as they are, padded to the longest by NumPy."""
    jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    return jpegs, max(map(len, jpegs))


def write_jpegs(group: h5py.Group, name: str, images) -> None:
    jpegs, longest = encoded(images)
    group.create_dataset(name, data=jpegs, dtype=f"S{longest}")


def write_robotwin2(root: Path, task: str, episode: int, cameras: dict, config="demo_clean", instructions=INSTRUCTIONS):
    """Writes one episode of RoboTwin 2.0; `cameras` maps the keys to lists of RGB images. Returns the HDF5 file."""
    folder = root / task / config
    for name in ("data", "instructions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "instructions" / f"episode{episode}.json").write_text(json.dumps(instructions))
    (folder / "scene_info.json").write_text(json.dumps({f"episode_{episode}": {"info": {}}}))
    path = folder / "data" / f"episode{episode}.hdf5"
    with h5py.File(path, "w") as file:
        for camera, images in cameras.items():
            group = file.create_group(f"observation/{camera}")
            group.create_dataset("intrinsic_cv", data=np.zeros((len(images), 3, 3), np.float32))
            write_jpegs(group, "rgb", images)
        count = len(next(iter(cameras.values())))
        file.create_dataset("joint_action/vector", data=np.zeros((count, 14)))
        file.create_dataset("pointcloud", data=np.zeros((count, 0)))
    return path


def write_xpolicylab(
    root: Path, task: str, episode: int, cameras: dict, variant="native", config="demo_clean", frequency=15
) -> Path:
    """Writes one episode as RoboTwin does since 2026, without the last image of each camera. Returns the HDF5 file.

    `variant` is "native" (instructions beside and inside), "downloaded" (inside only, JSON) or "converted" (arrays).
    """
    top = root / config / task if variant == "native" else root / "RoboTwin" / task
    folder = top / "aloha_agilex"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    path = folder / "data" / f"episode_{episode:07d}.hdf5"
    text = h5py.string_dtype(encoding="utf-8")
    with h5py.File(path, "w") as file:
        file.attrs["source_format"] = "RoboTwin"
        file.attrs["source_path"] = "native_collection"
        file.create_dataset("data_format_version", data="v1.0", dtype=text)
        file.create_group("additional_info").create_dataset("frequency", data=np.asarray(frequency, dtype=np.int32))
        if variant == "converted":
            file.create_dataset("instruction", data="Do it.", dtype=text)
            file.create_dataset("instructions", data=np.asarray(INSTRUCTIONS["seen"], dtype=object), dtype=text)
        else:
            file.create_dataset("instructions", data=json.dumps(INSTRUCTIONS["seen"]), dtype=text)
        for camera, images in cameras.items():
            group = file.create_group(f"vision/{CAMERAS[camera]}")
            write_jpegs(group, "colors", images[:-1])
            group.create_dataset("shape", data=np.asarray(images[0].shape, dtype=np.int32))
            extrinsics = "extrinsic_matrix" if variant == "converted" else "extrinsics_matrix"
            group.create_dataset(extrinsics, data=np.zeros((len(images) - 1, 4, 4)))
        file.create_dataset("state/left_arm_joint_states", data=np.zeros((len(images) - 1, 6), np.float32))
    if variant == "native":
        (folder / "instruction").mkdir(exist_ok=True)
        (folder / "instruction" / f"{path.stem}.json").write_text(json.dumps(INSTRUCTIONS))
    return path


def marked_standard(image: np.ndarray) -> bytes:
    """A JPEG file as RoboTwin writes it since September 2026: standard RGB, with a comment that says so."""
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    mark = b"XPL-RGB1"
    return jpeg[:2] + b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark + jpeg[2:]
