"""RoboTwin's clock, the same in all versions (envs/base_task.py, task_config/*.yml)."""

SIMULATION_RATE = 250  # simulation steps per second
STEPS_PER_FRAME = 15  # save_freq
STEP_DURATION = STEPS_PER_FRAME / SIMULATION_RATE  # seconds from frame to frame, within one motion
