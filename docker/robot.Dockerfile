# The node on a ROS 2 installation: rosdep for what ROS packages know of, pip for the rest, colcon.
#   docker build -f docker/robot.Dockerfile --build-arg ROS_DISTRO=jazzy -t framepred_ros:robot .
#   docker run --rm --net=host --ipc=host --cpus 2 framepred_ros:robot image_topic:=/camera/image_raw
# --ipc=host: Fast DDS hands large images over in shared memory. --cpus limits the model's threads, too.
# Add [torch] to the package below for a GPU and for full-size checkpoints.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

RUN apt-get update && apt-get install -y --no-install-recommends python3-venv python3-colcon-common-extensions \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /workspace
COPY package.xml src/framepred_ros/package.xml
RUN apt-get update && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src -y && rm -rf /var/lib/apt/lists/*

# An environment over the system's Python, which refuses pip on Ubuntu 24.04. NumPy stays below 2 for cv_bridge.
RUN python3 -m venv --system-site-packages /workspace/environment
COPY . src/framepred_ros
RUN . environment/bin/activate && pip install --no-cache-dir "numpy<2" "setuptools<80" ./src/framepred_ros \
    && pip uninstall -y framepred_ros
RUN . environment/bin/activate && . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && python -m colcon build --packages-select framepred_ros

RUN printf '%s\n' '#!/bin/bash' '. /workspace/environment/bin/activate' '. "/opt/ros/$ROS_DISTRO/setup.bash"' \
    '. /workspace/install/setup.bash' 'exec ros2 launch framepred_ros predictor.launch.py "$@"' >/usr/local/bin/predict \
    && chmod +x /usr/local/bin/predict
ENTRYPOINT ["/usr/local/bin/predict"]
