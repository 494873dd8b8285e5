#!/usr/bin/env bash
# Everything that wants a GPU, measured by one command: bash benchmarks/gpu.sh [--small] [--out DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
[[ -x $python ]] || python=python3
exec "$python" -m benchmarks.gpu "$@"
