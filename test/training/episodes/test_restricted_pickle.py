"""The restricted unpickler: equal to NumPy on what frames contain, and deaf to everything else."""

import io
import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
from robotwin_files import dumps, frame_content, picture

from training.episodes import restricted_pickle
from training.episodes.restricted_pickle import ArrayRecord, ForbiddenNameError


def load(data: bytes):
    return restricted_pickle.Loader().load(data)


def arrays(value):
    """Arrays of a loaded value, with the records made arrays."""
    if isinstance(value, dict):
        return {key: arrays(item) for key, item in value.items()}
    return value.to_array() if isinstance(value, ArrayRecord) else value


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("numpy1", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(5, dtype=">i4"),
        np.array([True, False]),
        np.zeros((1, 3), np.float32),
        np.array(1.5),
        np.float64(2.5),
        np.int32(-7),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_out_as_they_went_in(array, protocol, numpy1):
    data = dumps(array, protocol, numpy1)
    assert not numpy1 or b"numpy._core" not in data
    result = load(data).to_array()
    assert result.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(result, array)


def test_a_whole_frame_equals_what_pickle_loads():
    content = frame_content(picture(3, 4))
    loaded = arrays(load(dumps(content)))
    np.testing.assert_equal(loaded, content)


class Attack:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def test_code_in_a_pickle_does_not_run(tmp_path):
    target = tmp_path / "executed"
    for attack in (Attack(os.mkdir, str(target)), Attack(eval, f"__import__('os').mkdir({str(target)!r})")):
        data = pickle.dumps({"observation": attack})
        with pytest.raises(ForbiddenNameError) as refusal:
            load(data)
        assert refusal.value.name in ("posix.mkdir", "builtins.eval")
        assert refusal.value.name in str(refusal.value)
        assert not target.exists()
        pickle.loads(data)  # the attack is a working one
        assert target.exists()
        target.rmdir()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.getattr",
        "numpy.load",
        "numpy.core.multiarray.fromfile",
        "numpy._core.multiarray.set_typeDict",
        "numpy._core.multiarray._reconstruct.__self__",
        "numpy.ndarray.tofile",
        "numpy.testing._private.utils.runstring",
        "training.episodes.restricted_pickle._Unpickler",
        "_codecs.lookup",
        "copyreg._reconstructor",
    ],
)
@pytest.mark.parametrize("protocol", [0, 4])
def test_any_other_name_is_refused(name, protocol):
    module, _, attribute = name.rpartition(".")
    if "_reconstruct.__self__" in name or "ndarray.tofile" in name:
        module, attribute = name.rsplit(".", 2)[0], ".".join(name.rsplit(".", 2)[1:])
    with pytest.raises(ForbiddenNameError, match=name.replace(".", r"\.")):
        load(global_pickle(module, attribute, protocol))


def global_pickle(module: str, name: str, protocol: int) -> bytes:
    if protocol == 0:
        return f"c{module}\n{name}\n.".encode()
    texts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return b"\x80\x04" + texts + b"\x93."


def test_forged_object_arrays_do_not_become_pointers():
    """An object dtype whose forged flags say that its items are plain bytes: NumPy itself would follow them."""
    forged = (
        b"\x80\x04"
        + global_pickle("numpy._core.multiarray", "_reconstruct", 4)[2:-1]
        + global_pickle("numpy", "ndarray", 4)[2:-1]
        + b"K\x00\x85C\x01b\x87R"  # _reconstruct(ndarray, (0,), b"b")
        + b"(K\x01K\x01\x85"  # version 1, shape (1,)
        + global_pickle("numpy", "dtype", 4)[2:-1]
        + b"\x8c\x02O8\x89\x88\x87R(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"  # dtype, flags 0
        + b"\x89C\x08"
        + struct.pack("<Q", 0xDEADBEEF)
        + b"tb."
    )
    pickletools.dis(forged, out=io.StringIO())  # a well-formed pickle
    with pytest.raises(pickle.UnpicklingError, match="plain number type"):
        load(forged).to_array()


@pytest.mark.parametrize("state", [b"}X\x01\x00\x00\x00aK\x01s", b"N}X\x05\x00\x00\x00_callK\x01s\x86"])
def test_permitted_names_cannot_be_changed(state):
    with pytest.raises(pickle.UnpicklingError, match="change a name"):
        load(global_pickle("numpy", "dtype", 4)[:-1] + state + b"b.")
    assert load(dumps(np.arange(3))).to_array().tolist() == [0, 1, 2]


def test_arrays_that_lie_about_their_size_are_refused():
    data = dumps(np.arange(6, dtype=np.uint8))
    lie = data.replace(b"K\x06\x85", b"K\x07\x85")
    assert lie != data
    with pytest.raises(pickle.UnpicklingError, match="do not fit"):
        load(lie).to_array()


def test_a_few_bytes_cannot_demand_gigabytes():
    for demand in (b"]r\xff\xff\xff\x7f.", b"\x96" + struct.pack("<Q", 2**40) + b".", b"p99999999999\n."):
        with pytest.raises(pickle.UnpicklingError):
            load(b"\x80\x05" + demand)


def doubled_tuples(levels: int, share: bytes) -> bytes:
    """A dictionary whose key is a tuple of a tuple twice, of a tuple twice, ...: hashing it takes 2^levels steps."""
    return b"\x80\x04}" + b")" + share * levels + b"Ns."


@pytest.mark.parametrize("share", [b"2\x86", b"\x94h\x00\x86", b"\x86N0\x94h\x00"])
def test_hashing_cannot_take_for_ever(share):
    with pytest.raises(pickle.UnpicklingError):
        load(doubled_tuples(80, share))


def test_deep_tuples_cannot_overflow_the_stack():
    with pytest.raises(pickle.UnpicklingError, match="far too many"):
        load(b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns.")


def test_small_files_cannot_become_many_objects_or_bytes():
    with pytest.raises(pickle.UnpicklingError, match="items, far too many"):
        load(b"\x80\x04](" + b"]" * 1_100_000 + b"e.")
    text = pickle.BINUNICODE + struct.pack("<I", 50_000) + b"a" * 50_000 + b"q\x00"
    encode = b"c_codecs\nencode\nq\x01"
    again = b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R"
    assert load(b"\x80\x02](" + text + encode + again + b"e.")[2] == b"a" * 50_000
    with pytest.raises(pickle.UnpicklingError, match="again and again"):
        load(b"\x80\x02](" + text + encode + again * 10_000 + b"e.")


@pytest.mark.parametrize("protocol", range(6))
def test_values_that_occur_twice_are_no_attack(protocol):
    shared = [1, "text"]
    value = {"a": shared, "b": shared, (1, 2): ("x", ("y", shared)), "set": frozenset({1, (2, 3)})}
    if protocol < 4:  # sets are pickled as a call of `frozenset`
        value.pop("set")
    assert load(pickle.dumps(value, protocol)) == value


def outcome(loader, data: bytes):
    try:
        return repr(arrays(loader.load(data)))
    except pickle.UnpicklingError as error:
        return str(error)


def test_files_laid_out_alike_are_read_as_if_alone():
    """Also where a file differs from the one before only in what decides how it is read."""
    rng = np.random.default_rng(1)
    originals = [dumps(frame_content(picture(0, frame, 8, 8))) for frame in range(8)]
    loader, outcomes = restricted_pickle.Loader(), set()
    for index in range(150):
        data = bytearray(originals[index % 8])
        if index % 2:
            data[rng.integers(0, 600)] = rng.integers(0, 256)
        found = outcome(loader, bytes(data))
        assert found == outcome(restricted_pickle.Loader(), bytes(data))
        outcomes.add(found)
    assert len(outcomes) > 20


def test_mutated_files_raise_nothing_but_the_named_error():
    rng = np.random.default_rng(0)
    original = np.frombuffer(dumps(frame_content(picture(0, 0, 8, 8))), np.uint8)
    refused = 0
    for _ in range(3000):
        mutated = original.copy()
        positions = rng.integers(0, len(mutated), rng.integers(1, 6))
        mutated[positions] = rng.integers(0, 256, len(positions))
        mutated = mutated[: rng.integers(1, len(mutated) + 1)] if rng.random() < 0.3 else mutated
        try:
            arrays(load(mutated.tobytes()))
        except pickle.UnpicklingError:
            refused += 1
    assert refused > 1000
