"""The simulated world without a task: robot, scene, looks, head camera, physics and inverse kinematics."""
