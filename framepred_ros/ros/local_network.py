"""The Fast DDS profile that lets camera frames through, and the environment of processes that stay on this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

# As Fast DDS 3 calls it (Kilted and newer) and as Fast DDS 2 does (Humble, Jazzy), which reads that name only.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
RMW = "rmw_fastrtps_shared_cpp"  # depends on fastdds if that is version 3, on fastrtps if it is version 2
# Fast DDS derives its ports from the domain; above 101 they fall into Linux's range of ephemeral ports.
LAST_DOMAIN_ID = 101


def share_file(*parts: str) -> Path:
    """Return a shared file of the package (config, launch), from the source tree or from where it was installed.

    Raises:
        FileNotFoundError: the file is in none of these places.
    """
    places = [Path(__file__).resolve().parents[2]]
    places += [
        Path(prefix) / "share/framepred_ros" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix
    ]
    places += [Path(sys.prefix) / "share/framepred_ros"]
    for place in places:
        if place.joinpath(*parts).is_file():
            return place.joinpath(*parts)
    raise FileNotFoundError(f"{'/'.join(parts)} is in none of {', '.join(map(str, places))}; install the package again")


def profile_path() -> Path:
    """Return the Fast DDS profile: shared memory of 16 MiB instead of 512 KiB, where camera frames get lost."""
    return share_file("config", "fastdds.xml")


def profile_variables() -> dict[str, str]:
    """Return the environment variables that put the profile into force; a profile of the user wins."""
    given = {name: os.environ[name] for name in PROFILE_VARIABLES if os.environ.get(name)}
    profile = next(iter(given.values()), None) or str(profile_path())
    return dict.fromkeys(PROFILE_VARIABLES, profile) | given


def drop_deprecated_profile_name() -> None:
    """Where Fast DDS 3 is installed, keep the new name alone: rmw_fastrtps warns of the other one in every process.

    For this process and its children, before ROS starts, and if both names say the same.
    """
    new, old = PROFILE_VARIABLES
    places = [*os.environ.get("AMENT_PREFIX_PATH", "").split(":"), sys.prefix]
    files = [Path(place, "share/ament_index/resource_index/package_run_dependencies", RMW) for place in places]
    dependencies = next((file.read_text().split(";") for file in files if file.is_file()), [])
    if "fastdds" in dependencies and os.environ.get(new) and os.environ.get(new) == os.environ.get(old):
        del os.environ[old]


def local_environment(domain_id: int) -> dict[str, str]:
    """Return this process's environment with the transport profile and all ROS traffic kept on this machine.

    A profile or field check that the user has set is kept.
    """
    environment = dict(os.environ) | profile_variables()
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if environment.get("ROS_DISTRO") == "humble":  # knows only the variable that later distributions replaced
        environment["ROS_LOCALHOST_ONLY"] = "1"
    environment["ROS_DOMAIN_ID"] = str(int(domain_id))
    return environment


def free_domain_id() -> int:
    """Return a ROS domain that nobody on this machine uses, judged by the first participant's discovery port."""
    first = os.getpid() % LAST_DOMAIN_ID
    for offset in range(LAST_DOMAIN_ID):
        domain_id = 1 + (first + offset) % LAST_DOMAIN_ID
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain_id))  # DDSI-RTPS 9.6.2.3: PB + DG * domain + d1
                return domain_id
            except OSError:
                continue
    raise RuntimeError("every ROS domain from 1 to 101 is in use on this machine; set ROS_DOMAIN_ID yourself")
