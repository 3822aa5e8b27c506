"""Writing a bundle: killed at any moment, the folder still holds one that loads and whose evidence verifies."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sartor.bundle.bundle import Bundle
from sartor.bundle.manifest import FILE_NAME, check_files, read_manifest
from sartor.bundle.read import read_evidence
from sartor.bundle.write import Contents, write_bundle
from sartor.need import read_need
from tests.bundle.making import NEED, contents, part, write_net

ROW = [1.0, 0.0, 0.0, 0.0]
OPERATIONS = ((os, "replace"), (os, "mkdir"), (os, "unlink"), (os, "rmdir"), (os, "fsync"), (shutil, "copyfile"))


class Killed(BaseException):
    """Stands for the end of the process: nothing that follows is run."""


@contextmanager
def killed_at(moment: int | None) -> Iterator[list[str]]:
    """Count what is done to files, and die before (even moments) or after (odd ones) the n-th of them."""
    done: list[str] = []

    def wrap(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            if moment == 2 * len(done) - 2:
                raise Killed
            result = work(*args, **kwargs)
            if moment == 2 * len(done) - 1:
                raise Killed
            return result

        return dying

    with pytest.MonkeyPatch.context() as patch:
        for module, name in OPERATIONS:
            patch.setattr(module, name, wrap(name, getattr(module, name)))
        yield done


@pytest.fixture
def versions(tmp_path: Path) -> list[Contents]:
    """Three contents that share no bytes; the scores of the n-th are n times the row."""
    made = []
    for number in (1, 2, 3):
        source = tmp_path / f"source-{number}"
        source.mkdir()
        net = part(write_net(source / "net.onnx", scale=float(number)), model=f"net{number}")
        beside = part(write_net(source / "net.onnx", scale=float(number)), model="beside")
        made.append(contents(net, beside, evidence={"schema_version": 1, "number": number}))
    return made


def number_in(folder: Path) -> int:
    """Which of the versions the folder holds, by what it predicts; its evidence must verify."""
    check_files(folder, read_manifest(folder))
    assert read_evidence(folder)["number"] in (1, 2, 3)
    assert read_need(folder / "need.yaml") == NEED
    return int(Bundle.load(folder).outputs(ROW)[0, 0])


def is_tidy(folder: Path) -> bool:
    homes = {path.name for path in (folder / "variants").iterdir()}
    used = {Path(name).parts[1] for entry in read_manifest(folder).variants.values() for name in entry.files}
    return homes == used and not list(folder.rglob(".draft*")) and not read_manifest(folder).superseded


def test_a_kill_at_any_moment_leaves_the_old_bundle_or_the_new_one(tmp_path: Path, versions: list[Contents]) -> None:
    old, new, _ = versions
    with killed_at(None) as operations:
        write_bundle(tmp_path / "counted", old, NEED)
        before = len(operations)
        write_bundle(tmp_path / "counted", new, NEED)
    moments = 2 * (len(operations) - before)
    assert moments > 20
    seen = []
    for moment in range(moments):
        folder = tmp_path / str(moment)
        write_bundle(folder, old, NEED)
        with pytest.raises(Killed), killed_at(moment):
            write_bundle(folder, new, NEED)
        seen.append(number_in(folder))
        write_bundle(folder, new, NEED)
        assert number_in(folder) == 2
        assert is_tidy(folder)
        shutil.rmtree(folder)
    assert set(seen) == {1, 2}
    assert seen == sorted(seen)  # once the new one is in, it stays


def test_a_second_kill_does_no_more_harm(tmp_path: Path, versions: list[Contents]) -> None:
    old, new, newer = versions
    for first in range(0, 30, 4):
        for second in range(first % 7, 40, 7):
            folder = tmp_path / f"{first}-{second}"
            write_bundle(folder, old, NEED)
            for moment, content in ((first, new), (second, newer)):
                with suppress(Killed), killed_at(moment):
                    write_bundle(folder, content, NEED)
                check_files(folder, read_manifest(folder))
                assert read_evidence(folder)["number"] in (1, 2, 3)
            assert number_in(folder) in (1, 2, 3)
            shutil.rmtree(folder)


def test_a_kill_of_the_first_write_leaves_a_bundle_or_none(tmp_path: Path, versions: list[Contents]) -> None:
    with killed_at(None) as operations:
        write_bundle(tmp_path / "counted", versions[0], NEED)
    for moment in range(2 * len(operations)):
        folder = tmp_path / str(moment)
        with suppress(Killed), killed_at(moment):
            write_bundle(folder, versions[0], NEED)
        assert not (folder / FILE_NAME).exists() or number_in(folder) == 1
        write_bundle(folder, versions[1], NEED)
        assert number_in(folder) == 2
        assert is_tidy(folder)


def test_what_is_no_longer_used_is_removed(tmp_path: Path, versions: list[Contents]) -> None:
    for number, version in enumerate(versions, 1):
        write_bundle(tmp_path / "out", version, NEED)
        assert number_in(tmp_path / "out") == number
        assert is_tidy(tmp_path / "out")


def test_writing_the_same_again_changes_no_byte(tmp_path: Path, versions: list[Contents]) -> None:
    folder = tmp_path / "out"
    write_bundle(folder, versions[0], NEED)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write_bundle(folder, versions[0], NEED)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_stands_beside_the_bundle_is_left_alone(tmp_path: Path, versions: list[Contents]) -> None:
    for name in (".work/trials.sqlite", "proofs/x86.json", "report.html"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("kept")
    for version in versions[:2]:
        write_bundle(tmp_path / "out", version, NEED)
    assert (tmp_path / "out" / ".work" / "trials.sqlite").read_text() == "kept"
    assert (tmp_path / "out" / "proofs" / "x86.json").read_text() == "kept"
    assert (tmp_path / "out" / "report.html").read_text() == "kept"


def test_damaged_model_files_are_not_taken_over(tmp_path: Path, versions: list[Contents]) -> None:
    folder = tmp_path / "out"
    write_bundle(folder, versions[0], NEED)
    for file in (folder / "variants").glob("*/net.onnx"):
        file.write_bytes(b"damaged")
    write_bundle(folder, versions[0], NEED)
    assert number_in(folder) == 1


def test_the_need_is_kept_as_it_was_asked(tmp_path: Path, versions: list[Contents]) -> None:
    write_bundle(tmp_path, versions[0], NEED)
    assert read_need(tmp_path / "need.yaml").identity() == NEED.identity()


def test_no_path_of_this_machine_and_no_row_is_written(tmp_path: Path, versions: list[Contents]) -> None:
    write_bundle(tmp_path / "out", versions[0], NEED)
    assert str(tmp_path) not in (tmp_path / "out" / FILE_NAME).read_text()
    assert set(json.loads((tmp_path / "out" / FILE_NAME).read_text())["data_hashes"].values()) == {"0" * 32}
