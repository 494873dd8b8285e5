#!/usr/bin/env bash
# The eleven trainings behind small_table_1.yaml, one after the other; interrupted, it goes on where it was.
#
#     bash training/studies/small_table_1.sh DATASET RUNS [KEY=VALUE ...]
#
# "training": from scratch on all tasks. "fine-tuning" of a task: from a model of the other two, on that task alone.
# As in Table 2 of the paper, run 2 of the fine-tunings is five times as long as run 1, and run 2 of the trainings has
# twice the batch and twice the learning rate of run 1.
set -euo pipefail
dataset=$1 runs=$2
shift 2

train() {  # train NAME KEY=VALUE ...
    local output=$runs/$1
    shift
    if [ -f "$output/done" ]; then return; fi
    echo "== $output"
    python -m training.train --recipe training/recipes/small.yaml --dataset "$dataset" --output "$output" --resume auto \
        run.validate_every=500 "$@"
    touch "$output/done"
    rm -r "$output/cache" "$output/states"  # gigabytes that only a continued run needs
}

fine_tune() {  # fine_tune TASK OTHER_TASKS
    train "others/$1" "data.tasks=$2" optimization.max_steps=800 "${overrides[@]}"
    local start=("model.weights=$runs/others/$1/checkpoint" "data.tasks=[$1]" optimization.learning_rate=3.0e-4)
    train "fine_tuning_1/$1" "${start[@]}" optimization.max_steps=100 optimization.warmup_steps=20 "${overrides[@]}"
    train "fine_tuning_2/$1" "${start[@]}" optimization.max_steps=500 optimization.warmup_steps=20 "${overrides[@]}"
}

overrides=("$@")
train training_1 optimization.max_steps=1000 optimization.batch_size=8 optimization.learning_rate=5.0e-4 "${overrides[@]}"
train training_2 optimization.max_steps=1000 "${overrides[@]}"
fine_tune block_hammer_beat '[block_handover,blocks_stack_easy]'
fine_tune block_handover '[block_hammer_beat,blocks_stack_easy]'
fine_tune blocks_stack_easy '[block_hammer_beat,block_handover]'
