"""The reader of LeRobot v2.0 and v2.1, and stamps that are not where they should be, in all versions."""

import json
import pickle
from fractions import Fraction

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from episode_files.lerobot import IMAGE, VIDEO, encode_video, write_lerobot, write_lerobot_v2
from robotwin_files import identify, picture

from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

LENGTHS = (7, 1, 12)
TASKS = [["Stack."], ["Pour.", "Wipe."], ["Stack."]]
NAME = "so100_table"
SPACING = 4  # how far apart in brightness the frames are, since videos lose more than JPEG files


def pictures(first):
    return [[picture(first + n, SPACING * frame) for frame in range(length)] for n, length in enumerate(LENGTHS)]


@pytest.fixture
def root(tmp_path):
    write_lerobot_v2(tmp_path / NAME, {VIDEO: pictures(0), IMAGE: pictures(10)}, TASKS, chunk=2)
    return tmp_path / NAME


def open_camera(root, camera="head", **options):
    source = open_source(root, SourceOptions(camera=camera, **options))
    assert source.bad == ()
    return source.episodes


def shown(episode):
    return [(number, round(value / SPACING)) for number, value in (identify(frame) for _, frame in episode.read())]


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
@pytest.mark.parametrize(("camera", "first"), [("head", 0), ("wrist", 10)])
def test_frames_and_tasks_come_back(root, version, camera, first):
    change_info(root, codebase_version=version)
    assert detect_format(root) == "lerobot"
    episodes = open_camera(root, camera)
    assert [(e.task, e.number, len(e)) for e in episodes] == [(NAME, n, k) for n, k in enumerate(LENGTHS)]
    assert [e.seen for e in episodes] == [("Stack.",), ("Pour.", "Wipe."), ("Stack.",)]
    for episode in episodes:
        assert shown(pickle.loads(pickle.dumps(episode))) == [(first + episode.number, f) for f in range(len(episode))]
        assert episode.step_duration == pytest.approx(0.1)
    assert len({episode.frames.checksum() for episode in episodes}) == 3


def change_info(root, **values):
    file = root / "meta" / "info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def change_episodes(root, change):
    file = root / "meta" / "episodes.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    change(rows)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_tasks_of_the_frames_where_the_episodes_name_none(root):
    change_episodes(root, lambda rows: [row.pop("tasks") for row in rows])
    assert [episode.seen for episode in open_camera(root)] == [("Stack.",), ("Pour.",), ("Stack.",)]


def test_other_places_of_the_files(root):
    change_info(root, video_path="film/{video_key}/{episode_index:02d}.mp4", chunks_size=1000)
    for number in range(3):
        (root / "film" / VIDEO).mkdir(parents=True, exist_ok=True)
        file = root / f"videos/chunk-00{number // 2}/{VIDEO}/episode_00000{number}.mp4"
        file.rename(root / "film" / VIDEO / f"{number:02d}.mp4")
    assert shown(open_camera(root)[2]) == [(2, frame) for frame in range(12)]


@pytest.mark.parametrize(
    "template",
    ["../{episode_index}.mp4", "/etc/{episode_index}", "{episode_index.real}", "{x}", "{episode_index:99999d}", 3],
)
def test_templates_that_lead_elsewhere_are_refused(root, template):
    change_info(root, video_path=template)
    with pytest.raises(EpisodeError, match="video_path is"):
        open_camera(root)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows[1].update(length=0), "episode 1 is empty"),
        (lambda rows: rows[1].update(tasks=[]), "no instructions: episode 1 has no task"),
        (lambda rows: rows[1].update(tasks=[3]), "'tasks' is not a list of sentences"),
    ],
)
def test_unusable_episodes_are_named(root, change, reason):
    change_episodes(root, change)
    source = open_source(root, SourceOptions(camera="head"))
    assert [episode.number for episode in source.episodes] == [0, 2]
    assert reason in source.bad[0].reason


@pytest.mark.parametrize("text", ["{", "[1]", '{"length": 3}'])
def test_damaged_lists_of_episodes_are_named(root, text):
    (root / "meta" / "episodes.jsonl").write_text(text)
    with pytest.raises(EpisodeError, match=r"episodes\.jsonl"):
        open_camera(root)


def test_stamps_of_the_rows_that_are_off_the_grid(root):
    """Real cameras' stamps (huggingface/lerobot issue 3513); the video is at a fixed rate all the same."""
    for file in (root / "data").rglob("*.parquet"):
        table = pq.read_table(file)
        stamps = np.array(table["timestamp"]) * 1.07 + 0.013
        pq.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", pa.array(stamps)), file)
    for camera, first in (("head", 0), ("wrist", 10)):
        assert shown(open_camera(root, camera)[2]) == [(first + 2, frame) for frame in range(12)]


def test_pictures_of_the_video_that_are_off_the_grid(root):
    images = pictures(0)[0]
    jitter = [0, 30, -40, 20, 45, -45, 0]
    with av.open(str(root / f"videos/chunk-000/{VIDEO}/episode_000000.mp4"), "w") as output:
        stream = output.add_stream("libx264", 10, options={"g": "2", "crf": "12", "bf": "0"})
        stream.pix_fmt, stream.width, stream.height = "yuv420p", images[0].shape[1], images[0].shape[0]
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 100 * index + jitter[index], stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    assert shown(open_camera(root)[0]) == [(0, frame) for frame in range(7)]


def test_a_video_that_lacks_the_last_frame(root):
    encode_video(root / f"videos/chunk-000/{VIDEO}/episode_000000.mp4", pictures(0)[0][:-1], 10)
    assert shown(open_camera(root)[0]) == [(0, frame) for frame in (0, 1, 2, 3, 4, 5, 5)]


@pytest.mark.parametrize("drift", [1e-4, 0.03])
def test_starts_that_drift_to_past_a_merged_file_s_end(tmp_path, drift):
    """Sums of durations drift (huggingface/lerobot issue 3177)."""
    table = write_lerobot(tmp_path / NAME, {VIDEO: pictures(0)}, TASKS)
    rows = pq.read_table(table).to_pylist()
    for row in rows:
        row[f"videos/{VIDEO}/from_timestamp"] += drift * row["episode_index"] / 2
    pq.write_table(pa.Table.from_pylist(rows), table)
    for number, episode in enumerate(open_camera(tmp_path / NAME)):
        assert shown(episode) == [(number, frame) for frame in range(LENGTHS[number])]
