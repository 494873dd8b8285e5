"""How the topics of a camera are named."""


def camera_topic(camera: str, topic: str) -> str:
    """Return a camera's topic: `{camera}/{topic}`, or the topic itself for the single camera, whose name is empty."""
    return f"{camera}/{topic}" if camera else topic
