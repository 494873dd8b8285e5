#!/usr/bin/env bash
# Runs the linter and the tests; arguments go to pytest: bash scripts/test.sh test/framepred_ros -k slot
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
.venv/bin/ruff check .
exec .venv/bin/python -m pytest "$@"
