"""Profiles: levels out of curves, caches out of sysfs, what makes one stale, and files that survive everything."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import InputError, OutputError
from sartor.figures import Figure, without_infinities
from sartor.machine.caches import Cache, parse_processors, parse_size, read_caches
from sartor.machine.levels import levels_of
from sartor.machine.measured import Noise
from sartor.machine.profile import Profile
from sartor.machine.profile_file import (
    check_writable,
    find_profile,
    home_folder,
    load_profile,
    profile_path,
    save_profile,
)
from tests.machine.profiles import CACHES, GIGA, MACHINE, VERSIONS, made, measured


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_levels_lie_inside_the_caches_and_memory_beyond_them() -> None:
    levels = made().levels(1)
    assert [level.name for level in levels] == ["L1", "L2", "L3", "memory"]
    assert [level.rate.value / GIGA for level in levels] == [100, 50, 20, 8]
    assert [level.capacity_bytes for level in levels] == [32 << 10, 1 << 20, 32 << 20, MACHINE.memory_bytes]


def test_two_threads_hold_twice_the_private_caches_and_share_the_last() -> None:
    levels = made().levels(2)
    assert [level.capacity_bytes for level in levels[:3]] == [64 << 10, 2 << 20, 32 << 20]
    assert [level.rate.value / GIGA for level in levels[:2]] == [200, 100]


def test_without_caches_levels_are_where_the_rate_falls() -> None:
    levels = made(caches=()).levels(1)
    assert [level.name for level in levels] == ["to 16 kB", "to 524 kB", "to 16,777 kB", "memory"]
    assert [level.rate.value / GIGA for level in levels] == [100, 50, 20, 8]


@given(st.lists(st.floats(1e6, 1e12), min_size=1, max_size=16), st.booleans())
def test_every_curve_has_memory_as_its_last_and_largest_level(values: list[float], described: bool) -> None:
    points = [(1 << (14 + index), measured(value, "B/s")) for index, value in enumerate(values)]
    caches = [(f"L{one.level}", one.size_bytes) for one in CACHES] if described else []
    levels = levels_of(points, caches, 1 << 40)
    assert (levels[-1].name, levels[-1].capacity_bytes) == ("memory", 1 << 40)
    assert [one.capacity_bytes for one in levels] == sorted({one.capacity_bytes for one in levels})
    assert {one.rate.value for one in levels} <= set(values)


def test_roofs_of_a_precision_hold_what_a_graph_is_written_in() -> None:
    bf16 = made().roofs("openvino", "bf16", 1)
    assert bf16.flop_per_second["float32"].value == bf16.flop_per_second["bfloat16"].value == 180 * GIGA
    f32 = made().roofs("onnxruntime", "f32", 1)
    assert {name: rate.value / GIGA for name, rate in f32.flop_per_second.items()} == {"float32": 100, "int8": 380}
    assert (f32.call_seconds.value, f32.operator_seconds.value) == (4e-6, 7e-7)


def test_roofs_are_those_of_the_most_threads_measured() -> None:
    assert made().roofs("onnxruntime", "f32", 7).threads == 2
    assert made().roofs("onnxruntime", "f32", 7).flop_per_second["float32"].value == 190 * GIGA
    assert made().roofs("openvino", "f32", 2).threads == 1


@pytest.mark.parametrize(
    ("runtime", "precision", "says"),
    [("onnxruntime", "bf16", "no bf16 kernels"), ("opnvino", "f32", "`openvino`"), ("openvino", "fp32", "`f32`")],
)
def test_what_was_not_measured_is_an_error_with_the_reason_or_the_nearest(
    runtime: str, precision: str, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        made().roofs(runtime, precision, 1)
    assert says in str(caught.value)


def test_the_resolution_is_the_farther_end_of_the_twins() -> None:
    assert made().noise.resolution == pytest.approx(0.03)
    wide = Noise(Figure(1.0, "", 0.9, 1.03, "measured"), measured(0.1, "%"), measured(1e-4, "s"))
    assert wide.resolution == pytest.approx(0.1)


def test_a_profile_survives_json() -> None:
    saved = json.loads(json.dumps(made().as_dict(), allow_nan=False))
    assert Profile.from_dict(saved) == made()
    one_launch = dataclasses.replace(
        made(), noise=dataclasses.replace(made().noise, twins=Figure(1.0, "", 0.0, float("inf"), "measured"))
    )
    again = Profile.from_dict(json.loads(json.dumps(without_infinities(one_launch.as_dict()))))
    assert again == one_launch


@pytest.mark.parametrize(
    ("changes", "versions", "says"),
    [
        ({"cores": 4}, VERSIONS, "cores: 4 now, 2 when it was measured"),
        ({"isa": ("avx2",)}, VERSIONS, "isa: avx2 now, avx2 avx512f when"),
        ({"cpu": "Another"}, VERSIONS, "cpu: Another now"),
        ({}, {**VERSIONS, "openvino": "2027.0.0"}, "openvino is 2027.0.0 now, 2026.4.0 when"),
        ({}, {"onnxruntime": "1.31.0"}, "openvino 2026.4.0 is not here any more"),
        ({}, {**VERSIONS, "torch": "2.13"}, "torch 2.13 was not measured"),
    ],
)
def test_what_changed_is_said(changes: dict[str, object], versions: dict[str, str], says: str) -> None:
    machine = dataclasses.replace(MACHINE, **changes)  # type: ignore[arg-type]
    assert says in (made().why_stale(machine, versions) or "")


def test_a_new_release_of_the_system_or_of_python_changes_nothing() -> None:
    machine = dataclasses.replace(MACHINE, os="Linux 6.9", python="3.13.0")
    assert made().why_stale(machine, VERSIONS) is None


def test_a_stored_profile_is_found_until_something_changes() -> None:
    assert find_profile(MACHINE, VERSIONS).why_not == ""
    path = save_profile(made())
    assert path == profile_path(MACHINE)
    assert load_profile(MACHINE, VERSIONS) == made()
    assert load_profile(MACHINE, {**VERSIONS, "openvino": "2027.0.0"}) is None
    more = find_profile(dataclasses.replace(MACHINE, cores=4), VERSIONS)
    assert more.profile is None
    assert "cores: 4 now, 2 when it was measured" in more.why_not


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"schema": 1}', "damaged"),
        ('{"schema": 99}', "schema 99, this version of Sartor knows 1"),
        ("\x00\x01", "damaged"),
    ],
)
def test_a_damaged_file_or_another_schema_is_said_and_never_used(text: str, says: str) -> None:
    path = save_profile(made())
    path.write_text(text)
    found = find_profile(MACHINE, VERSIONS)
    assert found.profile is None
    assert says in found.why_not
    assert str(path) in found.why_not


def test_every_missing_part_of_a_file_is_damage() -> None:
    path = save_profile(made())
    whole = json.loads(path.read_text())
    for key in set(whole) - {"fingerprint"}:
        path.write_text(json.dumps({name: value for name, value in whole.items() if name != key}))
        assert "damaged" in find_profile(MACHINE, VERSIONS).why_not, key


def test_a_file_that_cannot_be_read_is_said() -> None:
    profile_path(MACHINE).mkdir(parents=True)
    assert "cannot be read" in find_profile(MACHINE, VERSIONS).why_not


def test_a_folder_that_cannot_be_written_is_one_error(home: Path) -> None:
    home.write_text("a file where the folder should be")
    for attempt in (lambda: check_writable(MACHINE), lambda: save_profile(made())):
        with pytest.raises(OutputError, match="SARTOR_HOME"):
            attempt()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_the_earlier_profile_and_nothing_half_written(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_profile(made(quick=True))

    def fails(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        save_profile(made())
    assert list(path.parent.iterdir()) == [path]
    assert load_profile(MACHINE, VERSIONS) == made(quick=True)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SARTOR_HOME": "/somewhere"}, "/somewhere"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/sartor"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/sartor"),
        ({}, "/home/me/.cache/sartor"),
    ],
)
def test_where_it_is_kept(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("SARTOR_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert home_folder() == Path(expected)


def write_cache(root: Path, processor: int, index: int, **facts: str) -> None:
    folder = root / f"cpu{processor}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, text in facts.items():
        (folder / name).write_text(text + "\n")


def test_caches_are_read_with_who_shares_them(tmp_path: Path) -> None:
    for number in range(4):
        pair = f"{number // 2 * 2}-{number // 2 * 2 + 1}"
        common = {"coherency_line_size": "64"}
        write_cache(tmp_path, number, 0, level="1", type="Data", size="48K", shared_cpu_list=pair, **common)
        write_cache(tmp_path, number, 1, level="1", type="Instruction", size="32K", shared_cpu_list=pair, **common)
        write_cache(tmp_path, number, 2, level="3", type="Unified", size="30M", shared_cpu_list="0-3", **common)
    assert read_caches(range(4), tmp_path) == (Cache(1, 48 << 10, 64, 2, 2), Cache(3, 30 << 20, 64, 1, 4))
    assert read_caches([0], tmp_path)[0].instances == 1


def test_a_system_that_does_not_describe_its_caches_has_none_known(tmp_path: Path) -> None:
    assert read_caches(range(4), tmp_path) == ()
    write_cache(tmp_path, 0, 0, level="1", type="Data")  # without a size, as some containers show it
    assert read_caches([0], tmp_path) == ()


@pytest.mark.parametrize("text", ["K", "-1K", "1.5M", "12P"])
def test_no_size(text: str) -> None:
    assert parse_size(text) == 0


@pytest.mark.parametrize("text", ["", "a-b", "1-2-3", "-"])
def test_no_processors(text: str) -> None:
    assert parse_processors(text) == frozenset()


@given(st.integers(1, 128), st.integers(1, 8), st.integers(1, 256))
def test_more_threads_never_reach_less_cache_and_never_more_than_there_is(
    cores: int, per_cache: int, threads: int
) -> None:
    cache = Cache(2, 1 << 20, 64, max(1, cores // per_cache), per_cache)
    assert cache.size_bytes <= cache.reach(threads, cores) <= cache.reach(threads + 1, cores)
    assert cache.reach(threads, cores) <= cache.size_bytes * cache.instances
