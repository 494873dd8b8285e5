"""The head camera: rendered frames and the calibration matrices that RoboTwin stores with them."""

import mujoco
import numpy as np

from training.simulation.stage.opengl import check_backend
from training.simulation.stage.scene import CAMERA_HEIGHT, CAMERA_WIDTH


class HeadCamera:
    """Renders the head camera of a world. Raises RenderingError where no OpenGL library is installed."""

    def __init__(self, model: mujoco.MjModel) -> None:
        check_backend()
        self._renderer = mujoco.Renderer(model, CAMERA_HEIGHT, CAMERA_WIDTH)

    def frame(self, data: mujoco.MjData) -> np.ndarray:
        """RGB uint8 (240, 320, 3) of the present state."""
        self._renderer.update_scene(data, "head_camera")
        return self._renderer.render()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


def calibration(data: mujoco.MjData) -> dict[str, np.ndarray]:
    """RoboTwin's camera matrices in float32: `intrinsic_cv` (3, 3), `extrinsic_cv` (3, 4), `cam2world_gl` (4, 4)."""
    field_of_view = data.model.camera("head_camera").fovy[0]
    focal = CAMERA_HEIGHT / 2 / np.tan(np.radians(field_of_view) / 2)
    intrinsic = np.array([[focal, 0, CAMERA_WIDTH / 2], [0, focal, CAMERA_HEIGHT / 2], [0, 0, 1]])
    camera = data.camera("head_camera")
    cam2world = np.eye(4)
    cam2world[:3, :3], cam2world[:3, 3] = camera.xmat.reshape(3, 3), camera.xpos
    to_opencv = np.diag([1.0, -1.0, -1.0])  # OpenGL looks along -z with y up, OpenCV along +z with y down
    rotation = to_opencv @ cam2world[:3, :3].T
    extrinsic = np.hstack([rotation, (-rotation @ cam2world[:3, 3])[:, None]])
    matrices = {"intrinsic_cv": intrinsic, "extrinsic_cv": extrinsic, "cam2world_gl": cam2world}
    return {name: matrix.astype(np.float32) for name, matrix in matrices.items()}
