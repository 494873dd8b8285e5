"""The command `predictor_node`, also `python -m framepred_ros.predictor_node`."""

from framepred_ros.ros.signals import end_at_signals


def main(args: list[str] | None = None) -> None:
    """Run `framepred_ros.node.predictor_node` until Ctrl-C or SIGTERM."""
    end_at_signals()  # importing takes a second or more
    from framepred_ros.node.predictor_node import main as run

    run(args)


if __name__ == "__main__":
    main()
