#!/usr/bin/env bash
# The data of words.yaml: scenes in which several instructions are possible. Training scenes are there for retrieval
# alone; the test scenes' seeds, some of their phrasings and combinations are never trained on.
#   bash training/studies/words.sh data      makes data/words (about ten minutes on two cores)
set -euo pipefail

data=${1:?folder for the episodes and the dataset}
python=${PYTHON:-python}
simulate() { "$python" -m training.simulate --tasks table_scenes "$@"; }

simulate --out "$data/words_train" --episodes 100
simulate --out "$data/words_test" --episodes 16 --first-seed 1000000
simulate --out "$data/words_kept_back" --episodes 12 --first-seed 1100000 --held-out
"$python" -m training.build_dataset "$data/words_test" "$data/words_kept_back" "$data/words_train" \
  --train-only "$data/words_train" --test-fraction 1 --horizon 50 --tail clamp --out "$data/words"
