"""The catalogue: every part complete and cited, found by the names people use, and mistakes told clearly."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import InputError
from sartor.figures import Figure
from sartor.machine import catalogue as package
from sartor.machine.catalogue import catalogue, find_part
from sartor.machine.part import KINDS, Part
from sartor.machine.part_file import parse_part

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = Path(os.environ.get("SARTOR_REFERENCE", ROOT.parent / "shared" / "reference"))
EVERY = sorted(catalogue())
OWN = """name = "My board"
vendor = "Us"
kind = "npu"
tdp = "7.5 W"
source = "our own sheet, p. 2"

[peak]
int8 = { value = "13 TOP/s", sparse = "26 TOP/s", note = "with all cores" }

[memory]
size = "8 GiB"
bandwidth = "34.1 GB/s"
"""


def test_every_kind_of_the_issue_is_there() -> None:
    assert len(EVERY) >= 50
    assert {part.kind for part in catalogue().values()} == set(KINDS)


@pytest.mark.parametrize("id", EVERY)
def test_every_part_is_complete_and_cited(id: str) -> None:
    part = catalogue()[id]
    assert part.id == id == id.lower()
    assert part.name
    assert part.vendor
    assert part.peaks
    assert set(part.origins) == set(part.figures)
    for name, figure in part.figures.items():
        assert part.origins[name].source, name
        assert figure.value > 0, name
        assert figure.source in ("published", "measured", "assumed"), name
    assert (part.memory.unit, part.bandwidth.unit) == ("B", "B/s")
    json.dumps(part.as_dict(), allow_nan=False)


@pytest.mark.parametrize("id", EVERY)
def test_figures_are_of_a_plausible_size(id: str) -> None:
    """A slip of a unit is a factor of a thousand; no part has a measured rate above its peak."""
    part = catalogue()[id]
    assert 1e9 <= part.memory.value <= 1e12
    assert 10e9 <= part.bandwidth.value <= 10e12
    assert all(0.5e12 <= peak.value <= 20e15 for peak in part.peaks.values())
    assert all(rate.value <= part.peak(dtype).value for dtype, rate in part.measured.items())
    assert part.tdp is None or 5 <= part.tdp.value <= 1500


@pytest.mark.parametrize("id", EVERY)
def test_narrower_types_are_never_slower(id: str) -> None:
    peaks = {dtype: peak.value for dtype, peak in catalogue()[id].peaks.items()}
    # V100 has no integer matrix unit; a Gaudi3 has fp16 at half the rate of bf16, and no int8 at all.
    if id not in ("v100-sxm", "v100-pcie"):
        assert peaks.get("int8", 1e18) >= peaks.get("fp16", peaks.get("bf16", 0.0))
    assert peaks.get("fp16", 1e18) >= peaks.get("fp32", 0.0)
    assert peaks.get("fp4", 1e18) >= peaks.get("fp8", 0.0)


@pytest.mark.parametrize(
    ("id", "dtype", "tera_flop", "gigabytes", "gigabytes_per_second", "watts"),
    [
        # NVIDIA's data sheets of H100, A100 and L4 (dense figures), and Google's pages of TPU v5e and v4.
        ("h100-sxm", "bf16", 989, 80, 3350, 700),
        ("a100-sxm-80gb", "fp16", 312, 80, 2039, 400),
        ("l4", "fp8", 242, 24, 300, 72),
        ("tpu-v5e", "bf16", 197, 16, 820, None),
        ("tpu-v4", "bf16", 275, 32, 1200, None),
    ],
)
def test_well_known_parts(
    id: str, dtype: str, tera_flop: float, gigabytes: float, gigabytes_per_second: float, watts: float | None
) -> None:
    part = find_part(id)
    assert part.peak(dtype) == Figure(tera_flop * 1e12, "FLOP/s", tera_flop * 1e12, tera_flop * 1e12, "published")
    assert part.memory.value == gigabytes * 1e9
    assert part.bandwidth.value == gigabytes_per_second * 1e9
    assert (part.tdp.value if part.tdp else None) == watts


def reference_rows() -> list[dict[str, str]]:
    table = REFERENCE / "hardware" / "hardware.csv"
    if not table.exists():
        pytest.skip(f"no hardware/hardware.csv in {REFERENCE}; name its folder in SARTOR_REFERENCE")
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_of_the_reference_is_there_figure_by_figure() -> None:
    columns: dict[str, tuple[str, float]] = {
        "peak.fp32": ("fp32_tflops", 1e12),
        "peak.bf16": ("bf16_dense_tflops", 1e12),
        "peak.fp16": ("fp16_dense_tflops", 1e12),
        "peak.fp8": ("fp8_dense_tflops", 1e12),
        "peak.int8": ("int8_dense_tops", 1e12),
        "peak.fp4": ("fp4_dense_tflops", 1e12),
        "memory.size": ("mem_GB", 1e9),
        "memory.bandwidth": ("mem_bw_GBps", 1e9),
        "scale_up.bandwidth": ("scaleup_unidir_GBps_per_dev", 1e9),
        "scale_up.pair": ("p2p_unidir_GBps", 1e9),
        "host.bandwidth": ("host_link_GBps", 1e9),
        "tdp": ("tdp_W", 1.0),
        "measured.bf16": ("measured_best_bf16_matmul_tflops", 1e12),
        "measured.fp8": ("measured_best_fp8_matmul_tflops", 1e12),
        "price.per_hour": ("price_usd_per_hr", 1.0),
    }
    rows = reference_rows()
    for row in rows:
        part = find_part(row["name"])
        expected = {name: float(row[column]) * factor for name, (column, factor) in columns.items() if row[column]}
        assert {name: figure.value for name, figure in part.figures.items()} == pytest.approx(expected), part.id
        if part.scale_up is not None:
            assert (part.scale_up.type, part.scale_up.devices) == (
                row["scaleup_link"],
                int(row["devs_per_scaleup_domain"]),
            )
    assert len({find_part(row["name"]).id for row in rows}) == len(rows) >= 52


def test_a_figure_that_nobody_published_says_so() -> None:
    assert find_part("xeon-8480").peak("bf16").source == "assumed"
    assert find_part("rtx-5090").peak("bf16").source == "assumed"
    assert find_part("h100-sxm").measured["bf16"].source == "measured"
    assert "125" in find_part("a10g").note  # the conflict stands in the file


def test_sparse_rates_are_noted_and_never_a_peak() -> None:
    part = find_part("jetson-orin-nano-8gb")
    sparse = part.origins["peak.int8"].sparse
    assert sparse is not None
    assert sparse.value == 2 * part.peak("int8").value == 40e12


def test_the_types_of_a_graph_are_understood() -> None:
    part = find_part("h100-sxm")
    assert part.peak("bfloat16") == part.peak("bf16")
    assert part.peak("float8e4m3fn") == part.peak("fp8")
    assert part.peak("float32").value == 67e12


@pytest.mark.parametrize("dtype", ["bf16", "bfloat16", "float4e2m1", "nonsense"])
def test_a_type_without_a_peak_is_an_error_that_names_those_there_are(dtype: str) -> None:
    with pytest.raises(InputError, match="no peak of t4") as caught:
        find_part("t4").peak(dtype)
    assert caught.value.allowed == "one of fp32, fp16, int8"


@given(data=st.data())
def test_case_spaces_and_dashes_of_a_name_do_not_matter(data: st.DataObject) -> None:
    part = catalogue()[data.draw(st.sampled_from(EVERY))]
    name = data.draw(st.sampled_from([part.id, part.name, *part.aliases]))
    letters = [data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in name if letter.isalnum()]
    between = [data.draw(st.sampled_from(["", " ", "-", "_"])) for _ in letters]
    assert find_part("".join(a + b for a, b in zip(letters, between, strict=True))) == part


def test_no_name_stands_for_two_parts() -> None:
    names = [{*map(package._squashed, (part.id, part.name, *part.aliases))} for part in catalogue().values()]
    assert sum(map(len, names)) == len(set.union(*names))


@pytest.mark.parametrize(
    ("name", "came", "told"),
    [
        ("h100", "could mean 2 parts", "h100-pcie, h100-sxm"),
        ("TPU", "could mean 6 parts", "tpu-v4, tpu-v5e"),
        ("a100 sxm", "could mean 2 parts", "a100-sxm-40gb, a100-sxm-80gb"),
        ("h1000-sxm", "is no part", "did you mean `h100-sxm`?"),
        ("xeon", "is no part", "did you mean `xeon-8480`?"),  # begins one name only, and is still not guessed
        ("iron wod", "is no part", "did you mean `tpu-v7x`?"),
        ("zzzz", "is no part", "python -m sartor.machine.catalogue"),
        ("", "is no part", "a path ending in .toml"),
    ],
)
def test_a_name_that_is_not_one_part(name: str, came: str, told: str) -> None:
    with pytest.raises(InputError, match=came) as caught:
        find_part(name)
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_parts_can_be_listed() -> None:
    command = [sys.executable, "-m", "sartor.machine.catalogue"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in listed] == EVERY


def test_the_page_of_the_documentation_names_every_part() -> None:
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert [id for id in EVERY if f"`{id}`" not in page] == []


def test_the_catalogue_is_read_fast_and_once() -> None:
    """Processor time, since the machine may be busy with other work."""
    read = package.catalogue.__wrapped__
    times = []
    for _ in range(5):
        started = time.process_time()
        read()
        times.append(time.process_time() - started)
    assert min(times) < 0.05
    assert catalogue() is catalogue()


def test_the_catalogue_cannot_be_changed_by_those_who_read_it() -> None:
    with pytest.raises(TypeError):
        catalogue()["t4"] = find_part("l4")  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_part("t4").name = "other"  # type: ignore[misc]


def test_a_part_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "My-Board.toml"
    path.write_text(OWN, encoding="utf-8")
    part = find_part(str(path))
    assert (part.id, part.name, part.kind) == ("my-board", "My board", "npu")
    assert part.peak("int8").value == 13e12
    assert part.memory.value == 8 * 2**30
    assert part.tdp == Figure(7.5, "W", 7.5, 7.5, "published")
    assert (part.host, part.price, part.scale_up, dict(part.measured)) == (None, None, None, {})
    assert part.origins["peak.int8"].note == "with all cores"
    assert part.origins["memory.size"].source == "our own sheet, p. 2"


def test_a_file_of_the_catalogue_is_a_model_for_ones_own() -> None:
    path = Path(package.__file__).parent / "h100-sxm.toml"
    assert find_part(str(path)) == find_part("h100-sxm")


def own(*changes: tuple[str, str]) -> Callable[[], Part]:
    text = OWN
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return lambda: parse_part(text, "own", "own.toml")


BANDWIDTH = 'bandwidth = "34.1 GB/s"'
PEAK = 'int8 = { value = "13 TOP/s", sparse = "26 TOP/s", note = "with all cores" }'


@pytest.mark.parametrize(
    ("broken", "came", "told"),
    [
        (own(('name = "My board"', "name = ")), "own.toml is no TOML", "line 1"),
        (own(('name = "My board"\n', "")), "`name` in own.toml is missing", "a text"),
        (own(('"our own sheet, p. 2"', '" "')), "`source` in own.toml", "where the figures were found"),
        (own(('kind = "npu"', 'kind = "gpux"')), "`kind` in own.toml is `gpux`", "did you mean `gpu`?"),
        (own(("tdp", "tpd")), "`tpd` in own.toml is not known", "did you mean `tdp`?"),
        (own(("vendor", 'aliases = "b"\nvendor')), "`aliases` in own.toml", "a list of texts"),
        (own(("[memory]", "[memroy]")), "`memroy` in own.toml is not known", "did you mean `memory`?"),
        (own(("size", "sise")), "`memory.sise` in own.toml is not known", "did you mean `size`?"),
        (own((BANDWIDTH, "")), "`memory.bandwidth` in own.toml is missing", "3350 GB/s"),
        (own((BANDWIDTH, 'bandwidth = "34.1"')), "`memory.bandwidth` in own.toml is `34.1`", "with its unit"),
        (own((BANDWIDTH, "bandwidth = 34.1")), "is `34.1`, without a unit", "3350 GB/s"),
        (own((BANDWIDTH, 'bandwidth = "34.1 GB"')), "is `34.1 GB`", "3350 GB/s"),
        (own((BANDWIDTH, 'bandwidth = "-34.1 GB/s"')), "is `-34.1 GB/s`", "above zero"),
        (own((BANDWIDTH, 'bandwidth = "0 GB/s"')), "is `0 GB/s`", "above zero"),
        (own((BANDWIDTH, 'bandwidth = "fast"')), "is `fast`", "3350 GB/s"),
        (own((BANDWIDTH, "bandwidth = {}")), "`memory.bandwidth.value` in own.toml is missing", "3350 GB/s"),
        (own((PEAK, "")), "`peak` in own.toml names no rate", "fp32"),
        (own((PEAK, 'int9 = "1 TOP/s"')), "`peak.int9` in own.toml is not known", "did you mean `int8`?"),
        (own((PEAK, 'int8_sparse = "26 TOP/s"')), "`peak.int8_sparse`", "peaks are dense"),
        (own((PEAK, 'int8 = "26 TOP/s sparse"')), "`peak.int8` in own.toml", "peaks are dense"),
        (own(("26 TOP/s", "13 TOP/s")), "`peak.int8.sparse` in own.toml", "not above its dense `value`"),
        (own(("note =", 'basis = "guess", note =')), "`peak.int8.basis` in own.toml is `guess`", "assumed"),
        (own(("8 GiB", "8 TOP/s")), "`memory.size` in own.toml", "80 GB"),
        (own((BANDWIDTH, BANDWIDTH + "\n[host]\nbandwidth = []")), "`host.bandwidth`", "3350 GB/s"),
        (own((BANDWIDTH, BANDWIDTH + '\n[scale_up]\ntype = "x"\ndevices = 0')), "`scale_up.devices`", "from 1"),
        (own((BANDWIDTH, BANDWIDTH + "\n[scale_up]\ndevices = 8")), "`scale_up.type` in own.toml is missing", "a text"),
        (own(("[memory]", "[x]\n[memory]")), "`x` in own.toml is not known", "memory"),
        (own(("source", "price = 4.5\nsource")), "`price` in own.toml is `4.5`", "a table [price]"),
    ],
)
def test_a_broken_file_is_told_by_its_key(broken: Callable[[], Part], came: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        broken()
    assert came in caught.value.came
    assert told in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        find_part(str(tmp_path / "none.toml"))
    (tmp_path / "binary.TOML").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no UTF-8 text"):
        find_part(str(tmp_path / "binary.TOML"))
