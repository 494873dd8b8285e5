"""Which OpenGL MuJoCo renders with. MuJoCo decides that once, when it is imported, from the variable MUJOCO_GL."""

import ctypes.util
import os

VARIABLE = "MUJOCO_GL"
NONE = "disable"  # physics without pictures; importing MuJoCo with a backend whose library is missing fails


class RenderingError(RuntimeError):
    """This machine has no OpenGL library for MuJoCo; the text says what to install."""


def select_backend() -> str:
    """Set MUJOCO_GL, unless the user has, to the first of EGL and OSMesa (both need no display) that is installed."""
    libraries = {"egl": "EGL", "osmesa": "OSMesa"}
    found = [backend for backend, library in libraries.items() if ctypes.util.find_library(library)]
    return os.environ.setdefault(VARIABLE, found[0] if found else NONE)


def check_backend() -> None:
    """Raise RenderingError where nothing can be rendered."""
    if os.environ.get(VARIABLE) == NONE:
        raise RenderingError(
            "MuJoCo cannot render here: no OpenGL library. Install one (Debian, Ubuntu: apt install libegl1 "
            f"libgl1-mesa-dri, or libosmesa6) or set {VARIABLE}=glfw on a machine with a display"
        )
