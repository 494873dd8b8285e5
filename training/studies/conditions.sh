#!/usr/bin/env bash
# The four trainings behind conditions.yaml: nothing, the horizon, the past, and both as conditions, 1,000 steps each.
# Interrupted, it goes on where it was.
#
#     bash training/studies/conditions.sh DATASET RUNS [KEY=VALUE ...]
set -euo pipefail
dataset=$1 runs=$2
shift 2

train() {  # train NAME KEY=VALUE ...
    python -m training.train --recipe training/recipes/small.yaml --dataset "$dataset" --output "$runs/$1" --resume auto \
        optimization.max_steps=1000 run.validate_every=1000 "${@:2}"
}

horizon="model.conditions.horizons=[1,100]"
past=("model.conditions.history=[10,25]" model.conditions.history_channels=12)
train none "$@"
train horizon "$horizon" "$@"
train history "${past[@]}" "$@"
train both "$horizon" "${past[@]}" "$@"
