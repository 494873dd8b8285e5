"""The readers of RoboTwin 2.0 and of RoboTwin since 2026, on files written by test/episode_files/robotwin_hdf5.py."""

import pickle

import cv2
import h5py
import numpy as np
import pytest
from episode_files.robotwin_hdf5 import marked_standard, write_jpegs, write_robotwin2, write_xpolicylab
from robotwin_files import identify, picture

from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

TASK = "beat_block_hammer"


def pictures(episode, count):
    return [picture(episode, frame) for frame in range(count)]


def write_two(root, write, **options):
    """Episodes 0 and 11 with 4 and 5 images of two cameras, of which the second shows others; returns the files."""
    sizes = {0: 4, 11: 5}
    return [
        write(root, TASK, n, {"head_camera": pictures(n, k), "left_camera": pictures(n + 1, k)}, **options)
        for n, k in sizes.items()
    ]


@pytest.fixture(params=["robotwin2", "native", "downloaded", "converted"])
def layout(request, tmp_path):
    """(format, files, frames left out at the end)"""
    if request.param == "robotwin2":
        return "robotwin2", write_two(tmp_path, write_robotwin2), 0
    return "robotwin", write_two(tmp_path, write_xpolicylab, variant=request.param), 1


def one(path, **options):
    """The only episode of a source, and the source's single error if there is one."""
    source = open_source(path, SourceOptions(**options))
    return (source.episodes + source.bad)[0]


def test_frames_come_back_with_their_colours(layout, tmp_path):
    name, _, missing = layout
    source = open_source(tmp_path)
    assert (source.format, source.bad) == (name, ())
    assert [(e.task, e.number, len(e)) for e in source.episodes] == [(TASK, 0, 4 - missing), (TASK, 11, 5 - missing)]
    for episode in source.episodes:
        for index, frame in pickle.loads(pickle.dumps(episode)).read():
            assert (frame.dtype, frame.flags.c_contiguous) == (np.uint8, True)
            assert identify(frame) == (episode.number, index)
            assert np.abs(frame.astype(int) - picture(episode.number, index)).mean() < 3


def test_a_red_block_is_red_and_looks_blue_to_viewers(layout, tmp_path):
    name, files, _ = layout
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 220
    dataset = "observation/head_camera/rgb" if name == "robotwin2" else "vision/cam_head/colors"
    with h5py.File(files[0], "r+") as file:
        del file[dataset]
        write_jpegs(file[dataset.rsplit("/", 1)[0]], dataset.rsplit("/", 1)[1], [red, red])
        viewer = cv2.cvtColor(cv2.imdecode(np.frombuffer(file[dataset][0], np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert viewer[16, 16, 2] > 200 > 20 > viewer[16, 16, 0]
    np.testing.assert_allclose(open_source(tmp_path).episodes[0].frames[1], red, atol=4)


def store_two(file, name, jpegs):
    """Puts JPEG files in place of an episode's frames of the head camera."""
    dataset = "observation/head_camera/rgb" if name == "robotwin2" else "vision/cam_head/colors"
    with h5py.File(file, "r+") as root:
        del root[dataset]
        root.create_dataset(dataset, data=jpegs, dtype=f"S{max(map(len, jpegs))}")


def test_standard_pictures_say_so_and_stay_as_they_are(layout, tmp_path):
    name, files, _ = layout
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 220
    store_two(files[0], name, [marked_standard(red), cv2.imencode(".jpg", red)[1].tobytes()])
    for order in ("bgr", "rgb"):
        first, second = (frame for _, frame in one(tmp_path, channel_order=order).read([0, 1]))
        np.testing.assert_allclose(first, red, atol=4)
        np.testing.assert_allclose(second if order == "bgr" else second[:, :, ::-1], red, atol=4)


def test_the_user_says_that_unmarked_pictures_are_standard(layout, tmp_path):
    name, files, _ = layout
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 220
    jpeg = cv2.imencode(".jpg", red[:, :, ::-1])[1].tobytes()
    store_two(files[0], name, [jpeg, jpeg])
    np.testing.assert_allclose(one(tmp_path, channel_order="rgb").frames[1], red, atol=4)


def test_chosen_frames_and_other_cameras(layout, tmp_path):
    name, _, _ = layout
    camera = "left_camera" if name == "robotwin2" else "cam_left_wrist"
    source = open_source(tmp_path, SourceOptions(camera=camera))
    assert source.camera == camera
    found = [(index, identify(frame)) for index, frame in source.episodes[1].read([3, 0, 2])]
    assert found == [(3, (12, 3)), (0, (12, 0)), (2, (12, 2))]
    with pytest.raises(IndexError):
        source.episodes[1].frames[len(source.episodes[1])]


def test_a_frame_lasts_fifteen_simulation_steps(layout, tmp_path):
    assert open_source(tmp_path).episodes[0].step_duration == pytest.approx(0.06)


def test_frequency_counts_simulation_steps(tmp_path):
    write_xpolicylab(tmp_path, TASK, 0, {"head_camera": pictures(0, 3)}, frequency=25)
    assert one(tmp_path).step_duration == pytest.approx(0.1)


def test_instructions(layout, tmp_path):
    _, files, _ = layout
    seen, unseen = ("Do it.", "Do it now."), ("Please do it.",)
    has_unseen = any((files[0].parent.parent / name).is_dir() for name in ("instruction", "instructions"))
    episode = open_source(tmp_path).episodes[0]
    assert (episode.seen, episode.unseen) == (seen, unseen if has_unseen else ())


def test_any_level_of_the_tree_is_a_source(layout, tmp_path):
    name, files, _ = layout
    for path in [files[1].parent, *files[1].parent.parents]:
        assert detect_format(path) == name
        assert [e.number for e in open_source(path).episodes] == [0, 11]
        if path == tmp_path:
            break
    assert one(files[1]).number == 11
    assert one(files[1]).task == TASK


def test_links_to_files_elsewhere_keep_their_names(layout, tmp_path, monkeypatch):
    """Hugging Face's cache consists of links to files that are named by their checksums."""
    name, files, _ = layout
    for number, file in enumerate(files):
        file.rename(tmp_path / str(number))
        file.symlink_to(tmp_path / str(number))
    monkeypatch.chdir(files[0].parent)
    for path in (files[0], files[0].name, ".", ".."):
        assert (detect_format(path), open_source(path).episodes[0].task) == (name, TASK)


def test_the_checksum_follows_the_file(layout, tmp_path):
    _, files, _ = layout
    before = [episode.frames.checksum() for episode in open_source(tmp_path).episodes]
    with h5py.File(files[1], "r+") as file:
        file["extra"] = 1
    after = [episode.frames.checksum() for episode in open_source(tmp_path).episodes]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_two_configurations_of_one_task_are_refused(tmp_path):
    for config in ("demo_clean", "demo_randomized"):
        write_robotwin2(tmp_path, TASK, 0, {"head_camera": pictures(0, 3)}, config=config)
    with pytest.raises(EpisodeError, match="a second set-up of the task beat_block_hammer"):
        open_source(tmp_path)
    assert one(tmp_path / TASK / "demo_clean").number == 0


def test_a_missing_camera_is_named_with_those_there_are(layout, tmp_path):
    name, files, _ = layout
    present = "head_camera, left_camera" if name == "robotwin2" else "cam_head, cam_left_wrist"
    source = open_source(tmp_path, SourceOptions(camera="front"))
    assert source.episodes == ()
    assert [str(error) for error in source.bad] == [f"{file}: no camera 'front'; it has {present}" for file in files]
    assert [(error.task, error.number) for error in source.bad] == [(TASK, 0), (TASK, 11)]


@pytest.mark.parametrize("kept", [0, 100, -50, 2000])
def test_truncated_files_are_named(layout, kept):
    _, files, _ = layout
    files[0].write_bytes(files[0].read_bytes()[:kept])
    error = one(files[0])
    assert isinstance(error, EpisodeError)
    assert error.path == files[0]
    assert "\n" not in str(error)


@pytest.mark.parametrize("damage", [lambda jpeg: jpeg[: len(jpeg) // 2], lambda jpeg: b"no picture", lambda jpeg: b""])
def test_corrupt_frames_are_named(layout, tmp_path, damage):
    name, files, _ = layout
    dataset = "observation/head_camera/rgb" if name == "robotwin2" else "vision/cam_head/colors"
    with h5py.File(files[0], "r+") as file:
        file[dataset][2] = damage(file[dataset][2])
    with pytest.raises(EpisodeError, match=r"hdf5: frame 2: no JPEG or PNG picture, or a damaged one") as caught:
        list(open_source(tmp_path).episodes[0].read())
    assert (caught.value.path, caught.value.task, caught.value.number) == (files[0], TASK, 0)


def test_mixed_sizes_are_named(tmp_path):
    write_robotwin2(tmp_path, TASK, 0, {"head_camera": [picture(0, 0), picture(0, 1, 24, 32)]})
    with pytest.raises(EpisodeError, match="mixed sizes: frame 0 is 64x48, frame 1 is 32x24"):
        list(one(tmp_path).read())


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"seen": []}', '{"seen": [1]}', '{"seen": "Do it."}', "[" * 10**5]
)
def test_unusable_instructions_are_named(tmp_path, content):
    write_robotwin2(tmp_path, TASK, 0, {"head_camera": pictures(0, 2)})
    file = tmp_path / TASK / "demo_clean" / "instructions" / "episode0.json"
    file.unlink() if content is None else file.write_text(content)
    assert one(tmp_path).path == file


@pytest.mark.parametrize(
    ("name", "value"),
    [("instructions", "[]"), ("instructions", '[""]'), ("instructions", "["), ("instructions", 3), ("frequency", 0)],
)
def test_unusable_values_inside_are_named(tmp_path, name, value):
    path = write_xpolicylab(tmp_path, TASK, 0, {"head_camera": pictures(0, 3)}, variant="downloaded")
    with h5py.File(path, "r+") as file:
        group = file["additional_info"] if name == "frequency" else file
        del group[name]
        group[name] = value
    error = one(tmp_path)
    assert error.path == path
    assert "instructions" in error.reason or "frequency" in error.reason


def test_another_version_is_refused(tmp_path):
    path = write_xpolicylab(tmp_path, TASK, 0, {"head_camera": pictures(0, 3)})
    with h5py.File(path, "r+") as file:
        del file["data_format_version"]
        file["data_format_version"] = "v2.0"
    assert "version 'v2.0'" in one(tmp_path).reason


def external_link(file, elsewhere):
    file["observation/head_camera/rgb"] = h5py.ExternalLink(str(elsewhere), "observation/head_camera/rgb")


def soft_link(file, elsewhere):
    file["observation/head_camera/rgb"] = h5py.SoftLink("/observation/left_camera/rgb")


def linked_group(file, elsewhere):
    del file["observation"]
    file["observation"] = h5py.ExternalLink(str(elsewhere), "observation")


def virtual_dataset(file, elsewhere):
    with h5py.File(elsewhere) as other:
        source = h5py.VirtualSource(other["observation/head_camera/rgb"])
        layout = h5py.VirtualLayout(source.shape, source.dtype)
    layout[:] = source
    file.create_virtual_dataset("observation/head_camera/rgb", layout)


def external_bytes(file, elsewhere):
    file["observation/head_camera"].create_dataset("rgb", (2,), "S100", external=[(str(elsewhere), 0, 200)])


@pytest.mark.parametrize("trick", [external_link, soft_link, linked_group, virtual_dataset, external_bytes])
def test_other_files_are_never_opened(tmp_path, trick):
    cameras = {"head_camera": pictures(0, 2), "left_camera": pictures(1, 2)}
    secret = write_robotwin2(tmp_path / "elsewhere", TASK, 0, cameras)
    path = write_robotwin2(tmp_path / "here", TASK, 0, cameras)
    with h5py.File(path, "r+") as file:
        del file["observation/head_camera/rgb"]
        trick(file, secret)
    reason = one(tmp_path / "here").reason
    assert "not followed" in reason or "not opened" in reason


@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        (2**50, "S10", {"chunks": (1000,)}),
        (2, f"S{2**27}", {"chunks": (1,)}),
        (2**20, "S4000", {"chunks": (2**17,), "compression": "gzip"}),
    ],
)
def test_a_dataset_cannot_claim_more_than_the_file_has(tmp_path, shape, dtype, options):
    path = write_robotwin2(tmp_path, TASK, 0, {"head_camera": pictures(0, 2)})
    with h5py.File(path, "r+") as file:
        del file["observation/head_camera/rgb"]
        file["observation/head_camera"].create_dataset("rgb", (shape,), dtype, **options)
    assert "claims more data" in one(tmp_path).reason


def test_strings_cannot_claim_more_than_the_file_has(tmp_path):
    path = write_xpolicylab(tmp_path, TASK, 0, {"head_camera": pictures(0, 3)}, variant="downloaded")
    with h5py.File(path) as file:
        offset = file["instructions"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = (2**32 - 1).to_bytes(4, "little")  # the length, which HDF5 would allocate
    path.write_bytes(data)
    assert "instructions claims more data than the file has" in one(path).reason


def test_compressed_datasets_can_be_read(tmp_path):
    path = write_robotwin2(tmp_path, TASK, 3, {"head_camera": pictures(3, 4)})
    with h5py.File(path, "r+") as file:
        frames = file["observation/head_camera/rgb"][:]
        del file["observation/head_camera/rgb"]
        file["observation/head_camera"].create_dataset("rgb", data=frames, chunks=(3,), compression="gzip")
    assert [identify(frame) for _, frame in one(tmp_path).read()] == [(3, frame) for frame in range(4)]


def test_instructions_are_read_from_the_episode_s_own_file(tmp_path):
    for number, sentence in enumerate(("One.", "Two.")):
        lists = {"seen": [sentence], "unseen": []}
        write_robotwin2(tmp_path, TASK, number, {"head_camera": pictures(0, 2)}, instructions=lists)
    assert [episode.seen for episode in open_source(tmp_path).episodes] == [("One.",), ("Two.",)]
