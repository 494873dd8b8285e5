"""`python -m framepred_ros.predictor_node`: the node of `framepred_ros.node.predictor_node`."""

from framepred_ros.node.predictor_node import main

if __name__ == "__main__":
    main()
