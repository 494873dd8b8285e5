"""The reader of LeRobot v3.0 datasets, on one written by test/episode_files/lerobot.py."""

import json
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from episode_files.lerobot import IMAGE, SECOND_VIDEO, VIDEO, write_lerobot
from robotwin_files import identify, picture

from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

LENGTHS = (7, 1, 12)
TASKS = [["Stack."], ["Pour.", "Wipe."], ["Stack."]]
NAME = "so100_table"


SPACING = 4  # how far apart in brightness the frames are, since videos lose more than JPEG files


def frame_picture(episode, frame):
    return picture(episode, SPACING * frame)


def pictures(first):
    return [[frame_picture(first + number, frame) for frame in range(length)] for number, length in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("lerobot") / NAME
    write_lerobot(root, {VIDEO: pictures(0), SECOND_VIDEO: pictures(5), IMAGE: pictures(10)}, TASKS)
    return root


@pytest.fixture
def root(written, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(written, tmp_path / NAME)


def open_camera(root, camera="head", **options):
    source = open_source(root, SourceOptions(camera=camera, **options))
    assert source.bad == ()
    return source.episodes


def shown(episode):
    return [(number, round(value / SPACING)) for number, value in (identify(frame) for _, frame in episode.read())]


@pytest.mark.parametrize(("camera", "first"), [("head", 0), ("side", 5), ("wrist", 10), (VIDEO, 0)])
def test_frames_come_back_with_their_colours(written, camera, first):
    assert detect_format(written) == "lerobot"
    episodes = open_camera(written, camera)
    assert [(e.task, e.number, len(e)) for e in episodes] == [(NAME, n, k) for n, k in enumerate(LENGTHS)]
    for episode in episodes:
        assert shown(pickle.loads(pickle.dumps(episode))) == [(first + episode.number, f) for f in range(len(episode))]
        assert episode.step_duration == pytest.approx(0.1)


def test_pictures_in_the_table_come_back_exactly(written):
    for index, frame in open_camera(written, "wrist")[2].read():
        np.testing.assert_array_equal(frame, frame_picture(12, index))


def test_a_red_block_is_red(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 0] = 220
    write_lerobot(tmp_path / NAME, {VIDEO: [[red, red]]}, [["Stack."]])
    frame = open_camera(tmp_path / NAME)[0].frames[1]
    np.testing.assert_allclose(frame, red, atol=12)


def test_lerobot_s_own_codec_can_be_read(tmp_path):
    write_lerobot(tmp_path / NAME, {VIDEO: pictures(0)}, TASKS, codec="libsvtav1")
    assert shown(open_camera(tmp_path / NAME, None)[2]) == [(2, frame) for frame in range(12)]


def test_tasks_are_the_instructions(written):
    assert [(e.seen, e.unseen) for e in open_camera(written)] == [
        (("Stack.",), ()),
        (("Pour.", "Wipe."), ()),
        (("Stack.",), ()),
    ]
    assert {e.task for e in open_camera(written, task="table")} == {"table"}


@pytest.mark.parametrize("camera", ["head", "wrist"])
def test_any_order_of_indices(written, camera):
    episode = open_camera(written, camera)[2]
    indices = [7, 8, 8, 3, 0, 11]
    assert [round(identify(frame)[1] / SPACING) for _, frame in episode.read(indices)] == indices
    assert round(identify(episode.frames[5])[1] / SPACING) == 5


@pytest.mark.parametrize("camera", ["head", "wrist"])
@pytest.mark.parametrize(("fps", "expected"), [(5, [0, 2, 4, 6]), (20, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6])])
def test_resampling(written, camera, fps, expected):
    episode = open_camera(written, camera, fps=fps)[0]
    assert [frame for _, frame in shown(episode)] == expected
    assert episode.step_duration == pytest.approx(1 / fps)


def checksums(root):
    return [episode.frames.checksum() for camera in ("head", "wrist") for episode in open_camera(root, camera)]


def test_checksums_follow_each_episode_s_pictures(written, tmp_path):
    before = checksums(written)
    assert len(set(before)) == 6
    assert checksums(written) == before
    changed = {VIDEO: pictures(0), SECOND_VIDEO: pictures(5), IMAGE: pictures(10)}
    for key in (VIDEO, IMAGE):
        changed[key][2][6] = frame_picture(20, 3)
    write_lerobot(tmp_path / NAME, changed, TASKS)
    after = checksums(tmp_path / NAME)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False] * 2


def change_info(root, **values):
    file = root / "meta" / "info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"codebase_version": "v1.6"}, r"LeRobot version 'v1\.6'; this reader knows v2\.0, v2\.1 and v3\.0"),
        ({"codebase_version": None}, "LeRobot version None"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": "10"}, "fps is '10'"),
        ({"features": {}}, "no camera 'head'; it has none"),
        ({"features": []}, "'features' is not an object"),
        ({"features": {"head": 3}}, "'features' is not an object of objects"),
        ({"features": {"../head": {"dtype": "video"}}}, "no camera 'head'; it has ../head"),
        ({"video_path": "../../{video_key}.mp4"}, "video_path is '../../{video_key}.mp4'; this reader knows"),
    ],
)
def test_unusable_information_is_named(root, values, reason):
    change_info(root, **values)
    with pytest.raises(EpisodeError, match=reason) as error:
        open_camera(root)
    assert error.value.path == root / "meta" / "info.json"


def test_cameras_that_would_leave_the_folder_are_refused(root):
    change_info(root, features={"../head": {"dtype": "video"}})
    with pytest.raises(EpisodeError, match="'../head' cannot be a camera's key"):
        open_camera(root, None)


def test_several_or_missing_cameras_are_named(written):
    cameras = f"{IMAGE}|{VIDEO}|{SECOND_VIDEO}".split("|")
    for camera, reason in ((None, "several cameras; choose one"), ("front", "no camera 'front'; it has")):
        with pytest.raises(EpisodeError, match=reason) as error:
            open_camera(written, camera)
        assert all(key in str(error.value) for key in cameras)


def change_row(root, number, **values):
    table = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    rows = pq.read_table(table).to_pylist()
    rows[number].update(values)
    pq.write_table(pa.Table.from_pylist(rows), table)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"length": 0}, "episode 1 is empty"),
        ({"length": None}, "length is None"),
        ({"tasks": []}, "no task"),
        ({"tasks": None}, "'tasks' is not a list"),
        ({f"videos/{VIDEO}/chunk_index": -1}, "chunk_index is -1"),
        ({f"videos/{VIDEO}/from_timestamp": float("nan")}, "from_timestamp is nan"),
    ],
)
def test_unusable_rows_are_bad_episodes(root, values, reason):
    change_row(root, 1, **values)
    source = open_source(root, SourceOptions(camera="head"))
    assert [episode.number for episode in source.episodes] == [0, 2]
    (error,) = source.bad
    assert (error.task, error.number) == (NAME, 1)
    assert reason in error.reason


def test_numbers_that_pandas_made_floats_of(root):
    change_row(root, 1, **{f"videos/{VIDEO}/chunk_index": None})
    source = open_source(root, SourceOptions(camera="head"))
    assert [episode.number for episode in source.episodes] == [0, 2]
    change_row(root, 1, **{f"videos/{VIDEO}/chunk_index": 0.0, "length": 1.0})
    assert shown(open_camera(root)[1]) == [(1, 0)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "No such file"),
        (lambda file: file.write_bytes(b""), "damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:-200]), "damaged"),
        (lambda file: file.write_text("#EXTM3U\nsecret.ts\n"), "damaged"),
    ],
)
def test_damaged_videos_are_named(root, damage, reason):
    file = root / "videos" / VIDEO / "chunk-000" / "file-000.mp4"
    damage(file)
    with pytest.raises(EpisodeError, match=reason) as error:
        shown(open_camera(root)[0])
    assert error.value.path == file


def test_a_video_that_ends_early_is_named(root):
    change_row(root, 2, length=40)
    with pytest.raises(EpisodeError, match=r"file-000\.mp4: no frame at 2\.100 s"):
        shown(open_camera(root)[2])


def test_damaged_tables_are_named(root):
    table = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(EpisodeError, match="no parquet table of episodes"):
        open_camera(root)
    table.unlink()
    with pytest.raises(EpisodeError, match="no tables like"):
        open_camera(root)
