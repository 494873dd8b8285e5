"""What every ROS process of the package needs: start and end, parameters, image messages, the local network."""
