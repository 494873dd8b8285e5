"""A scene on disk: twins share their first picture, branches theirs with the episode they turn off from."""

import json
import pickle
from pathlib import Path

import pytest

from training.simulation.scene_writer import Film, SceneSummary, scene_appearance, simulate_scene
from training.simulation.table.layout import draw_layout
from training.simulation.table.scene_episodes import run_scene

pytestmark = pytest.mark.slow
SEED = 3  # a scene of few frames, with a branch
LOOK = "random"


@pytest.fixture(scope="module")
def scene(opengl, tmp_path_factory) -> tuple[Path, SceneSummary]:
    folder = tmp_path_factory.mktemp("scene") / "seed"
    return folder, simulate_scene(SEED, folder, LOOK)


def picture(path: Path) -> bytes:
    return pickle.loads(path.read_bytes())["observation"]["head_camera"]["rgb"].tobytes()


def test_the_same_seed_gives_the_same_bytes(scene):
    folder, summary = scene
    episodes = run_scene(SEED).episodes
    assert summary.frames == sum(len(episode.frames) for episode in episodes)
    film = Film(draw_layout(SEED).spec(scene_appearance(SEED, LOOK)))
    for place, episode in enumerate(episodes):
        for number in (0, 40, len(episode.frames) - 1):
            again = pickle.dumps(film.frame(episode.frames[number]), protocol=4)
            assert again == (folder / str(place) / f"{number}.pkl").read_bytes()
    film.close()


def test_pictures_at_which_futures_part_are_the_same(scene):
    folder, summary = scene
    records = [json.loads((folder / str(k) / "record.json").read_text()) for k in range(len(summary.episodes))]
    start = picture(folder / "0" / "0.pkl")
    turned = 0
    for place, record in enumerate(records):
        parent, frame = record["scene"]["branch_of"], record["scene"]["branch_frame"]
        first = picture(folder / str(place) / "0.pkl")
        assert first == (start if parent is None else picture(folder / str(parent) / f"{frame}.pkl"))
        assert record["look"] == LOOK and record["scene"]["number"] == SEED
        assert len(list((folder / str(place)).glob("*.pkl"))) == record["frames"]
        turned += parent is not None
    assert turned
