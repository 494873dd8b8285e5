"""This process's place under `accelerate launch`."""

from __future__ import annotations

from accelerate import PartialState

from training.evaluation.scoring.measure import Process


def this_process(device: str) -> Process:
    """One process alone unless started by `accelerate launch`. `device` "cpu" keeps the processes off GPUs."""
    state = PartialState(cpu=device == "cpu")
    return Process(state.process_index, state.num_processes, state.wait_for_everyone)
