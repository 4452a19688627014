"""What an audit lets a file that was made again differ by, and what it does not."""

import json
import math
import zipfile

import numpy as np
import pytest

from nsgf.ops.audit import tolerance

VALUES = {"value": 0.5, "n": 30_000, "of": [1.0, 2.0], "word": "1.5", "is": True, "no": None}
NEAR = ({}, {"value": 0.500004}, {"of": [1.00005, 2.0]})
APART = (
    *({"value": v} for v in (0.5002, math.nan, math.inf, "0.5", None, 10**400)),
    *({"n": v} for v in (30_001, 30_000.0, True)),
    *({"of": v} for v in ([1.0], [1.0, 2.0, 3.0], [2.0, 1.0], {"0": 1.0, "1": 2.0}, 1.0)),
    *({"word": v} for v in ("1.50001", 1.5)),
    *({"is": v} for v in (1, False)),
    {"other": 0.5},
)


@pytest.mark.parametrize("change", [*NEAR, *APART], ids=str)
def test_numbers_of_two_files_agree_within_the_tolerance_and_nothing_else(tmp_path, change):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(json.dumps(VALUES))
    other.write_text(json.dumps(VALUES | change, indent=1, sort_keys=True))
    assert tolerance.agree(one, other, tolerance.ABSOLUTE) is (change in NEAR)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_agrees_with_itself_alone(tmp_path, value):
    for each in (value, math.nan, math.inf, -math.inf, 1.0):
        alike = repr(each) == repr(value)
        for ending in (".json", ".npy"):
            one, other = tmp_path / f"one{ending}", tmp_path / f"other{ending}"
            for path, given in ((one, value), (other, each)):
                if ending == ".json":
                    path.write_text(json.dumps([given, 2.0]))
                else:
                    np.save(path, np.float32([given, 2.0]))
            assert tolerance.agree(one, other, 0) is alike


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5000, "\xff", '{"a": 1} {}'])
def test_what_is_not_json_agrees_with_nothing(tmp_path, text):
    paths = tmp_path / "one.json", tmp_path / "other.json"
    for path in paths:
        path.write_bytes(text.encode("latin-1"))
    assert not tolerance.agree(*paths, tolerance.ABSOLUTE)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_arrays_agree_within_the_tolerance_and_damaged_ones_with_nothing(tmp_path, ending):
    paths = [tmp_path / f"{name}{ending}" for name in ("one", "near", "far")]
    for path, value in zip(paths, (1.0, 1.00005, 1.01), strict=True):
        (np.save if ending == ".npy" else np.savez)(path, np.full(8, value, np.float32))
    assert tolerance.agree(paths[0], paths[1], 0)
    assert not tolerance.agree(paths[0], paths[2], 0)
    paths[1].write_bytes(paths[1].read_bytes()[:90])
    assert not tolerance.agree(paths[0], paths[1], 0)


PAIR = np.dtype([("x", "f4"), ("k", "i4")])
ARRAYS = [  # an array, another one, whether they agree
    (np.uint8([0, 255]), np.uint8([1, 254]), True),
    (np.uint8([0, 255]), np.uint8([2, 255]), False),
    (np.uint8([0]), np.uint8([255]), False),
    (np.int64([3, 4]), np.int64([3, 4]), True),
    (np.int64([3, 4]), np.int64([3, 5]), False),
    (np.array([True, False]), np.array([True, True]), False),
    (np.array(["a", "b"]), np.array(["a", "b"]), True),
    (np.array(["a", "b"]), np.array(["a", "c"]), False),
    (np.complex64([1 + 1j]), np.complex64([1 + 2j]), False),
    (np.float32([]), np.float32([]), True),
    (np.uint8([]), np.uint8([]), True),
    (np.float32([]), np.float32([1]), False),
    (np.float32([1]), np.float64([1]), False),
    (np.array([(1, 2)], PAIR), np.array([(1, 2)], PAIR), True),
    (np.array([(1, 2)], PAIR), np.array([(1, 3)], PAIR), False),
    (np.array([{}, 1], object), np.array([{}, 1], object), False),
]


@pytest.mark.parametrize(("one", "other", "agrees"), ARRAYS, ids=lambda v: str(v).replace("\n", ""))
def test_arrays_of_other_things_than_floats_agree_as_they_are(tmp_path, one, other, agrees):
    paths = tmp_path / "one.npy", tmp_path / "other.npy"
    for path, array in zip(paths, (one, other), strict=True):
        np.save(path, array, allow_pickle=True)
    assert tolerance.agree(*paths, tolerance.ABSOLUTE) is agrees


def test_an_archive_of_something_else_agrees_with_nothing(tmp_path):
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    np.savez(one, path=np.zeros(4, np.float32))
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("path.npy", "no array")
    assert not tolerance.agree(one, other, tolerance.ABSOLUTE)
    np.savez_compressed(other, path=np.zeros(4, np.float32))
    assert tolerance.agree(one, other, tolerance.ABSOLUTE)
    damaged = bytearray(other.read_bytes())
    start = damaged.index(b"path.npy") + len(b"path.npy")
    damaged[start : start + 24] = b"\xff" * 24
    other.write_bytes(damaged)
    assert not tolerance.agree(one, other, tolerance.ABSOLUTE)
