"""The parts of the predictor node, one subject each; `framepred_ros.node.predictor_node` puts them together."""
