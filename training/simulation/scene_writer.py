"""Films the episodes of a scene and writes them in RoboTwin 1.0's layout, each in a folder of its own."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import mujoco
import numpy as np

from framepred_ros.files import new_folder
from training.simulation.episode_folders import EpisodeRecord
from training.simulation.episode_writer import robotwin_frame
from training.simulation.stage import robot_model
from training.simulation.stage.appearance import Appearance, draw_appearance
from training.simulation.stage.camera import HeadCamera, calibration
from training.simulation.stage.kinematics import ArmKinematics
from training.simulation.stage.scene import SceneSpec, build_model
from training.simulation.table.layout import draw_layout
from training.simulation.table.scene_episodes import SceneEpisode, run_scene
from training.simulation.table.world import STATE, Snapshot


@dataclass(frozen=True, kw_only=True)
class SceneEpisodeRecord(EpisodeRecord):
    """What `scene_info.json` keeps of an episode of a scene.

    `scene` is {"number", "verb", "roles", "held_out", "branch_of", "branch_frame"}; until the episodes are numbered,
    `branch_of` is the parent's place in the scene.
    """

    scene: dict


@dataclass(frozen=True)
class SceneSummary:
    """What the campaign's tables need of a scene; `episodes` is empty for a scene that failed."""

    seed: int
    episodes: tuple[tuple[str, int], ...]  # verb and frames
    tries: tuple[tuple[str, bool], ...]

    @property
    def frames(self) -> int:
        """Frames of all its episodes."""
        return sum(frames for _, frames in self.episodes)


class Film:
    """Pictures of one scene's moments: equal moments give equal pixels, whichever episode they are in."""

    def __init__(self, spec: SceneSpec) -> None:
        self._model = build_model(spec)
        self._data = mujoco.MjData(self._model)
        self._camera = HeadCamera(self._model)
        self._kinematics = ArmKinematics()
        self._calibration: dict[str, np.ndarray] | None = None

    def picture(self, moment: Snapshot) -> np.ndarray:
        """RGB uint8 (240, 320, 3)."""
        mujoco.mj_setState(self._model, self._data, moment.state, STATE)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        return self._camera.frame(self._data)

    def frame(self, moment: Snapshot) -> dict:
        """RoboTwin 1.0's frame: picture, camera matrices, drive targets and commanded flange poses."""
        rgb = self.picture(moment)
        if self._calibration is None:
            self._calibration = calibration(self._data)
        flanges = {s: self._kinematics.flange(s, moment.joint_targets[s]) for s in robot_model.SIDES}
        camera = {**self._calibration, "rgb": rgb}
        return robotwin_frame(camera, moment.joint_targets, moment.gripper_targets, flanges)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._camera.close()


def scene_appearance(seed: int, look: str) -> Appearance:
    """How the scene of `seed` looks in one of `appearance.LOOKS`; all its episodes look the same."""
    return draw_appearance(look, np.random.default_rng([seed, 1003]))


def simulate_scene(seed: int, folder: Path, look: str, held_out: bool = False) -> SceneSummary:
    """Play and film the scene of `seed`; its episodes are written to `folder`/{place}/{j}.pkl, with a `record.json`.

    `look` is one of `appearance.LOOKS`. `folder` is whole or absent; it is absent when the scene failed (a summary
    without episodes).
    """
    run = run_scene(seed, held_out)
    summary = SceneSummary(
        seed,
        tuple((episode.instruction.verb, len(episode.frames)) for episode in run.episodes),
        tuple(run.tries),
    )
    if not run.episodes:
        return summary
    appearance = scene_appearance(seed, look)
    film = Film(draw_layout(seed).spec(appearance))
    try:
        with new_folder(folder) as partial:
            for place, episode in enumerate(run.episodes):
                _write(film, partial / str(place), episode)
                record = _record(seed, episode, appearance.look)
                private = {"place": place, "summary": asdict(summary)}
                (partial / str(place) / "record.json").write_text(json.dumps({**asdict(record), **private}))
    finally:
        film.close()
    return summary


def _write(film: Film, folder: Path, episode: SceneEpisode) -> None:
    folder.mkdir(parents=True)
    for number, moment in enumerate(episode.frames):
        with open(folder / f"{number}.pkl", "wb") as file:
            pickle.dump(film.frame(moment), file, protocol=4)


def _record(seed: int, episode: SceneEpisode, look: str) -> SceneEpisodeRecord:
    instruction = episode.instruction
    info = dict(instruction.roles)
    if instruction.arm is not None:
        info["arm"] = f"the {instruction.arm} arm"
    scene = {
        "number": seed,
        "verb": instruction.verb,
        "roles": instruction.role,
        "held_out": instruction.held_out,
        "branch_of": episode.parent,
        "branch_frame": episode.branch_frame,
    }
    return SceneEpisodeRecord(
        seed=seed,
        frames=len(episode.frames),
        randomized=look != "plain",
        instructions=instruction.phrasings(),
        info=info,
        look=look,
        scene=scene,
    )
