"""The ament_python package; requirements.txt pins what these ranges leave open."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

PACKAGE = "framepred_ros"
SHARE = f"share/{PACKAGE}"
# Without these the small model runs on a CPU; they train, run full-size models, and use GPUs.
TORCH = ["accelerate>=1.0", "diffusers>=0.35,<0.50", "torch>=2.5", "transformers>=4.45,<6"]


def files(pattern: str) -> list[str]:
    """Files of the source tree, relative to this file as setuptools wants them."""
    return sorted(str(path) for path in Path().glob(pattern) if path.is_file())


setup(
    name=PACKAGE,
    version=ElementTree.parse("package.xml").findtext("version"),  # the one place where it is written
    description="Predicts the frame a robot camera will show 50 steps from now",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["checkpoints/**/*", "episodes/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml", "LICENSE"]),
        (f"{SHARE}/launch", files("launch/*.launch.py")),
        (f"{SHARE}/config", files("config/*")),
        (f"{SHARE}/security", files("security/*")),
    ],
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        "matplotlib>=3.5",
        "numpy>=1.21",
        "opencv-python-headless>=4.5",
        "openvino>=2024.4",
        "pillow>=9.0",
        "psutil>=5.9",
        "rich>=11.2",
        "rosbags>=0.11.9",
        "lz4>=4",
        "backports.zstd>=1; python_version < '3.14'",
        "rosbags-image>=0.9",
        "safetensors>=0.4",
        "scikit-image>=0.18",
        "tokenizers>=0.20",
        "tqdm>=4.57",
    ],
    extras_require={
        "cluster": ["ray>=2.10"],
        "lpips": [*TORCH, "lpips>=0.1.4", "torchvision"],
        # In an environment of its own: it pins a MuJoCo that the simulator's pinned mink and MuJoCo do not go with.
        "metaworld": ["metaworld>=3"],
        "openai": ["openai>=1.50"],
        "test": [
            "colcon-common-extensions>=0.3",
            "hypothesis>=6.80",
            "mypy>=1.13",
            "pytest>=7",
            "pytest-timeout>=2",
            "pyyaml>=6",
            "ruff>=0.6",
            "setuptools>=61,<80",  # colcon builds through commands that setuptools 80 dropped
        ],
        "torch": TORCH,
        "training": [
            *TORCH,
            "av>=12",
            "daqp>=0.5",
            "datasets>=3",
            "filelock>=3.10",
            "h5py>=3.8",
            "imageio>=2.30",
            "jinja2>=3",
            "mink>=0.0.5",
            "mujoco>=3.1",
            "peft>=0.13",
            "pyarrow>=15",
            "pydantic>=2",
            "pyyaml>=6",
            "tensorboard>=2.14",
        ],
    },
    entry_points={
        "console_scripts": [
            f"predictor_node = {PACKAGE}.predictor_node:main",
            f"predictor_supervisor = {PACKAGE}.node.supervisor:main",
            f"camera_node = {PACKAGE}.camera_node:main",
            f"framepred = {PACKAGE}.cli:main",
        ]
    },
)
