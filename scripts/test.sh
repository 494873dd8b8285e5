#!/usr/bin/env bash
# Runs the linter, the type checker and the tests on ROS 2 Kilted, and then those of the nodes (pytest's marker `distribution`) on Jazzy.
# Arguments go to pytest: bash scripts/test.sh test/framepred_ros -k slot   runs on Kilted only, and
#   FRAMEPRED_ROS_DISTRO=jazzy bash scripts/test.sh [...]                   on Jazzy only.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
distro=${FRAMEPRED_ROS_DISTRO:-}
unset FRAMEPRED_ROS_DISTRO
# A process of one environment leaves the places of its libraries in here; the other's must not be found.
[[ -z ${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-} ]] || unset _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH

test_all() {
  bash scripts/setup.sh && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/python -m pytest "$@"
}

test_nodes() {  # distribution, arguments
  local arguments=("${@:2}")
  [[ $# -gt 1 ]] || arguments=(test/framepred_ros test/launch)  # the rest has none; collecting it takes a while
  FRAMEPRED_ROS_DISTRO=$1 bash scripts/setup.sh && echo "The nodes on ROS 2 $1:" &&
    ".venv-$1/bin/python" -m pytest -m distribution "${arguments[@]}"
}

if [[ -n $distro && $distro != kilted ]]; then
  test_nodes "$distro" "$@"
elif [[ -n $distro || $# -gt 0 ]]; then
  test_all "$@"
else
  failed=0  # the second part runs all the same, so that one run says all that is wrong
  test_all || failed=$?
  if grep -qs "include-system-site-packages = true" .venv/pyvenv.cfg; then
    echo "A ROS 2 is sourced: the tests ran on that one and no other."
  else
    test_nodes jazzy || failed=$?
  fi
  exit "$failed"
fi
