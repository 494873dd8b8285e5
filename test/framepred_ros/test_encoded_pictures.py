"""Every decoder of the package refuses a picture of unreasonable size by its header."""

import re

import cv2
import numpy as np
import pytest

from framepred_ros import encoded_pictures
from framepred_ros.encoded_pictures import MAX_PIXELS, PictureError, check_picture_size, decode_stored, read_picture
from framepred_ros.predict_command import read_image
from training.dataset.index import DatasetError
from training.dataset.stored_pairs import read_frame
from training.episodes.pictures import decode_picture, decode_whole

DECODERS = {
    "camera": decode_stored,
    "episodes": decode_picture,
    "bags of episodes": decode_whole,
}
READERS = {"any file": read_picture, "framepred predict": read_image, "datasets": read_frame}


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
def test_no_decoder_expands_a_bomb(decode, large_picture):
    with pytest.raises(PictureError, match="too large"):
        decode(large_picture)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_reader_expands_a_bomb(read, large_picture, tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(large_picture)
    with pytest.raises((PictureError, DatasetError, ValueError), match="too large"):
        read(path)


def test_the_limit_is_on_pixels_and_the_reason_says_how_many(monkeypatch):
    png = cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes()
    monkeypatch.setattr(encoded_pictures, "MAX_PIXELS", 600)
    check_picture_size(png)
    monkeypatch.setattr(encoded_pictures, "MAX_PIXELS", 599)
    with pytest.raises(PictureError, match=re.escape("30x20 pixels, at most 599 are decoded")):
        check_picture_size(png)


def test_a_missing_file_is_one():
    with pytest.raises(FileNotFoundError):
        read_picture("no/such/file")


def test_an_8k_picture_is_within_the_limit():
    assert MAX_PIXELS > 7680 * 4320
