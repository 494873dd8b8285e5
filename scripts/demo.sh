#!/usr/bin/env bash
# Plays sample episodes to the predictor node on real ROS 2 and writes demo_output/. `--help` lists the options.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" -m framepred_ros.demo "$@"
