#!/usr/bin/env bash
# The whole measurement of metaworld.yaml: Meta-World's scripted policies recorded, a small model trained on them, and
# both held against copying and retrieval. Interrupted, it goes on where it was.
#
#     bash training/studies/metaworld.sh [KEY=VALUE ...]      writes data/metaworld and runs/metaworld
#
# Meta-World lives in an environment of its own (docs/simulator.md):
#     python -m venv .venv-metaworld && .venv-metaworld/bin/pip install -e '.[metaworld]'
set -euo pipefail
data=data/metaworld runs=runs/metaworld
python=${PYTHON:-python} recorder=${METAWORLD_PYTHON:-.venv-metaworld/bin/python}

"$recorder" -m training.record_metaworld --out "$data/episodes" --episodes 16
"$python" -m training.build_dataset "$data/episodes" --horizon 25 --test-fraction 0.2 --out "$data/dataset"
if [ ! -f "$runs/small/done" ]; then
  # The learning rate falls by step, not by minute: give optimization.max_steps what the machine does in twelve minutes.
  "$python" -m training.train --recipe training/recipes/small.yaml --dataset "$data/dataset" --output "$runs/small" \
    --resume auto run.max_minutes=12 optimization.max_steps=1500 run.validate_every=500 "$@"
  touch "$runs/small/done"
fi
"$python" -m training.compare training/studies/metaworld.yaml --out "$runs/report"
