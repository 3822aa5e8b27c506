"""What a machine is read from: recorded texts, since every machine that runs these tests is another."""

from __future__ import annotations

import dataclasses

import pytest

from sartor.machine import device
from sartor.machine.device import (
    Machine,
    Processor,
    parse_cpu_quota,
    parse_cpuinfo,
    this_machine,
    usable_cores,
)

AMX = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 avx avx2 fma avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8 avx_vnni

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 avx avx2 fma avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8 avx_vnni

processor\t: 2
physical id\t: 0
core id\t\t: 1

processor\t: 3
physical id\t: 1
core id\t\t: 1
"""
AVX2 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 ssse3 fma sse4_1 avx f16c avx2 bmi2
"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes crc32 atomics asimdhp cpuid asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40

processor\t: 1
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes crc32 atomics asimdhp cpuid asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40
"""


def machine(isa: tuple[str, ...], architecture: str = "x86_64") -> Machine:
    return Machine("Some CPU", architecture, 4, isa, 8 * 2**30, "Linux 6.1", "3.11.7")


def test_amx_machine_is_read() -> None:
    processor = parse_cpuinfo(AMX)
    assert processor.name.startswith("Intel(R) Xeon(R) Platinum 8481C")
    assert {"amx_int8", "amx_bf16", "avx512_vnni"} <= set(processor.isa)
    assert machine(processor.isa).isa_class == "x86-amx"


def test_avx2_machine_is_read_and_its_integer_sums_saturate() -> None:
    processor = parse_cpuinfo(AVX2)
    assert processor.isa == ("avx2",)
    assert machine(processor.isa).isa_class == "x86-avx2"
    assert not machine(processor.isa).exact_int8


def test_arm_machine_is_read_and_named_by_its_numbers() -> None:
    processor = parse_cpuinfo(ARM)
    assert processor.name == "ARM Neoverse-V1"
    assert processor.isa == ("neon", "dotprod", "i8mm", "bf16", "sve")
    assert machine(processor.isa, "aarch64").isa_class == "arm-sve"
    assert machine(processor.isa, "aarch64").exact_int8


def test_unknown_arm_part_keeps_its_numbers() -> None:
    assert parse_cpuinfo("Features: asimd\nCPU implementer: 0x99\nCPU part: 0x001").name.endswith("0x99 part 0x001")


@pytest.mark.parametrize(
    ("isa", "expected"),
    [
        (("avx2", "avx512f", "avx512_vnni", "avx512_bf16"), "x86-avx512-vnni"),
        (("avx2", "avx512f"), "x86-avx512"),
        (("avx2", "avx_vnni"), "x86-avx2-vnni"),
        ((), "x86"),
    ],
)
def test_isa_class_names_the_best_integer_unit(isa: tuple[str, ...], expected: str) -> None:
    assert machine(isa).isa_class == expected


def test_hyperthreads_count_once_and_packages_apart() -> None:
    processor = parse_cpuinfo(AMX)
    assert usable_cores(processor, frozenset({0, 1, 2, 3}), None) == 3
    assert usable_cores(processor, frozenset({0, 1}), None) == 1


def test_quota_limits_cores_but_leaves_one() -> None:
    processor = parse_cpuinfo(AMX)
    assert usable_cores(processor, frozenset({0, 2, 3}), 2.5) == 2
    assert usable_cores(processor, frozenset({0, 2, 3}), 0.5) == 1


def test_processors_without_topology_count_each() -> None:
    assert usable_cores(Processor("", (), ()), frozenset(range(6)), None) == 6


@pytest.mark.parametrize("text", ["", "max 100000", "-1 100000", "200000 0", "nonsense"])
def test_no_quota(text: str) -> None:
    assert parse_cpu_quota(text) is None


def test_fingerprint_ignores_releases_but_not_hardware() -> None:
    here = machine(("avx2",))
    assert here.fingerprint() == dataclasses.replace(here, python="3.13.0", os="Linux 6.9").fingerprint()
    assert here.fingerprint() != dataclasses.replace(here, cores=8).fingerprint()
    assert here.fingerprint() != dataclasses.replace(here, isa=("avx2", "avx_vnni")).fingerprint()


def test_machine_survives_json() -> None:
    assert Machine.from_dict(this_machine().as_dict()) == this_machine()


def test_this_machine_is_plausible() -> None:
    here = this_machine()
    assert here.cores >= 1
    assert here.memory_bytes > 2**28
    assert here.cpu


def test_a_system_without_proc_is_read_without_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_read", lambda path: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    here = this_machine.__wrapped__()
    assert here.isa_class == "arm-neon"
    assert here.cores >= 1
