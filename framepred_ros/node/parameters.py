"""The predictor node's parameters: the only place where their defaults are written."""

from __future__ import annotations

from framepred_ros.ros.parameters import Changeable, ParameterSpec

LONGEST_HORIZON = 100_000  # steps; what a checkpoint knows is less

PREDICTOR_PARAMETERS = (
    ParameterSpec(
        "checkpoint",
        "",
        "Checkpoint folder or hub id to predict with; empty: the checkpoint that ships with the package.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "device",
        "auto",
        "Torch device to predict on, such as cpu or cuda:0; auto: a GPU if there is one.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "engine",
        "auto",
        "How to run the model: fast (PyTorch as it is), openvino (faster on a CPU, needs openvino), compile "
        "(torch.compile, with CUDA graphs on a GPU; configuring takes a minute or more), or diffusers' own pipeline, "
        "the reference; auto: openvino on a CPU if it is installed, else fast.",
        choices=("auto", "fast", "compile", "openvino", "diffusers"),
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cpu_threads",
        0,
        "Threads for the model's arithmetic on a CPU; 0: as many as torch likes, but one core stays free for ROS.",
        "",
        0,
        1024,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cpu_niceness",
        10,
        "By how much the model's threads give way to the node's other threads and to other processes; 0: they do not.",
        "",
        0,
        19,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cameras",
        [],
        "Names of the cameras to predict for, each with topics under its name; empty: one camera without a name.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "image_transport",
        "raw",
        "How camera frames arrive: raw on image, compressed (JPEG, PNG) on image/compressed.",
        choices=("raw", "compressed"),
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "instruction",
        "",
        "The first instruction, used until one arrives on the topic.",
        changeable=Changeable.AT_START,
    ),
    ParameterSpec(
        "horizon",
        0,
        "How many steps ahead to predict, if the checkpoint knows several horizons; 0: its main one.",
        "",
        0,
        LONGEST_HORIZON,
    ),
    ParameterSpec(
        "horizons",
        [],
        "Steps ahead of the pictures on predicted_strip, from left to right; empty: no strip.",
        "",
        1,
        LONGEST_HORIZON,
        item=int,
    ),
    ParameterSpec("steps", 0, "Sampling steps per prediction; 0: the checkpoint's own number.", "", 0, 1000),
    ParameterSpec(
        "seed",
        0,
        "Seed of the noise that every prediction starts from: equal frames give equal predictions.",
        "",
        0,
        2**31 - 1,
    ),
    ParameterSpec(
        "max_rate", 0.0, "Most predictions per second and camera; 0.0: as many as possible.", "hertz", 0, 1000
    ),
    ParameterSpec(
        "skip_unchanged",
        0,
        "Publish the last prediction again, with the new stamp, while the instruction is the same and no part of the "
        "frame, or of what was seen before it, differs by as much from what it was made from; 0: predict from every "
        "frame.",
        "grey levels",
        0,
        255,
    ),
    ParameterSpec("lazy", True, "Predict only while somebody subscribes to a prediction or the monitor is on."),
    ParameterSpec(
        "step_duration",
        0.0,
        "Time from one step to the next; the horizon in seconds is this times its steps. 0.0: the checkpoint's own.",
        "seconds",
        0,
        3600,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "stamp",
        "source",
        "Stamp of a prediction: source is that of the frame it was made from, predicted is one horizon later.",
        choices=("source", "predicted"),
    ),
    ParameterSpec("jpeg_quality", 90, "Quality of predicted_frame/compressed.", "percent", 1, 100),
    ParameterSpec(
        "monitor",
        False,
        "Score every prediction when the frame that it predicted arrives, and warn when predictions stop coming true.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_tolerance",
        0.05,
        "Most time between the predicted moment and the frame that counts as it: half of a slow camera's period.",
        "seconds",
        0,
        10,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_rate",
        5.0,
        "Most predictions scored per second and camera.",
        "hertz",
        0.1,
        100,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_window",
        11,
        "How many of the latest scores are judged together, by their medians; an alert takes half of them.",
        "",
        1,
        1000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_learning",
        200,
        "How many scores of a moving scene limits are learned from; they should see all that the robot normally does.",
        "",
        1,
        1_000_000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_lowest_ssim",
        0.0,
        "Alert when the running SSIM falls below this; 0.0: learned at the start.",
        "",
        0,
        1,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_highest_surprise",
        0.0,
        "Alert when the surprise, lasting change that neither the prediction nor motion explains, rises above this; "
        "0.0: learned at the start.",
        "",
        0,
        1000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec("autostart", True, "Configure and activate without being asked.", changeable=Changeable.AT_START),
)
