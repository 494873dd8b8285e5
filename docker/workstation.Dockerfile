# Datasets, training, evaluation and tests, without a ROS installation: ROS 2 comes from wheels, as in scripts/setup.sh.
#   docker build -f docker/workstation.Dockerfile -t framepred_ros:workstation .
#   docker run --rm -it --shm-size 2g -v "$PWD/runs:/framepred_ros/runs" framepred_ros:workstation bash
# With a GPU: --gpus all, and give pip the index of PyTorch's CUDA wheels if the default one does not fit the driver.
FROM python:3.12-slim-bookworm

# MuJoCo renders with one of these; git marks what a dataset was built from.
RUN apt-get update && apt-get install -y --no-install-recommends git libegl1 libosmesa6 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /framepred_ros
COPY . .
RUN bash scripts/setup.sh
ENV PATH=/framepred_ros/.venv/bin:$PATH MUJOCO_GL=egl
CMD ["bash", "scripts/demo.sh"]
