"""The command `camera_node`, also `python -m framepred_ros.camera_node`."""

from framepred_ros.ros.signals import end_at_signals


def main(args: list[str] | None = None) -> None:
    """Run `framepred_ros.replay.camera_node` until its episode's end, Ctrl-C or SIGTERM."""
    end_at_signals()  # importing takes a second or more
    from framepred_ros.replay.camera_node import main as run

    run(args)


if __name__ == "__main__":
    main()
