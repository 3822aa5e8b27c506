"""Units: what people write is read, and what is shown can be written back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.units import Quantity, format_value, parse
from tests.strategies import BASE_UNITS, magnitudes


@given(value=magnitudes(), unit=st.sampled_from(BASE_UNITS), sign=st.sampled_from([1, -1]))
def test_what_is_shown_reads_back_within_its_rounding(value: float, unit: str, sign: int) -> None:
    shown = format_value(sign * value, unit)
    read = parse(shown)
    assert read.unit == unit
    assert read.value == pytest.approx(sign * value, rel=0.0051)


@given(value=magnitudes(), unit=st.sampled_from(BASE_UNITS))
def test_what_is_shown_is_stable(value: float, unit: str) -> None:
    shown = format_value(value, unit)
    assert format_value(parse(shown).value, unit) == shown


@given(value=magnitudes(1e-7), unit=st.sampled_from(["s", "B", "pt", "%", "1/s"]))
def test_people_are_shown_no_exponents(value: float, unit: str) -> None:
    assert "e" not in format_value(value, unit).replace("e-", "")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3 ns", 3e-9, "s"),
        ("3 us", 3e-6, "s"),
        ("3 µs", 3e-6, "s"),  # the micro sign
        ("3 μs", 3e-6, "s"),  # the Greek letter, which many keyboards give
        ("5 ms", 0.005, "s"),
        ("5ms", 0.005, "s"),
        (" 1.5  s ", 1.5, "s"),
        ("2 sec", 2.0, "s"),
        ("5 min", 300.0, "s"),
        ("1 h", 3600.0, "s"),
        ("7 B", 7.0, "B"),
        ("2 kB", 2000.0, "B"),
        ("2 KB", 2000.0, "B"),
        ("2 MB", 2e6, "B"),
        ("2 GB", 2e9, "B"),
        ("2 TB", 2e12, "B"),
        ("2 KiB", 2048.0, "B"),
        ("2 MiB", 2 * 2.0**20, "B"),
        ("2 GiB", 2 * 2.0**30, "B"),
        ("500 /s", 500.0, "1/s"),
        ("500/s", 500.0, "1/s"),
        ("1,500 /s", 1500.0, "1/s"),
        ("3.35 TB/s", 3.35e12, "B/s"),
        ("989 TFLOP/s", 989e12, "FLOP/s"),
        ("1,979 TOP/s", 1979e12, "FLOP/s"),  # integers
        ("700 W", 700.0, "W"),
        ("4.5 USD/h", 4.5, "USD/h"),
        ("1 pt", 0.01, "pt"),
        ("1%", 0.01, "%"),
        ("1 %", 0.01, "%"),
        ("0.95", 0.95, ""),
        (".5", 0.5, ""),
        ("-2", -2.0, ""),
        ("1e-3 s", 0.001, "s"),
        (5, 5.0, ""),
        (0.25, 0.25, ""),
    ],
)
def test_every_unit(text: str | float, value: float, unit: str) -> None:
    read = parse(text)
    assert read.value == pytest.approx(value)
    assert read.unit == unit


def test_decimal_and_binary_sizes_differ() -> None:
    assert parse("1 MiB").value - parse("1 MB").value == 48_576


@pytest.mark.parametrize(
    "text", ["", "ms", "five ms", "5 6", "5 ms ms", "1,5 ms", "12,34 s", "nan", "inf", "0x10", "5 m/s", "--5", "True"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number with a unit|unknown unit"):
        parse(text)


@pytest.mark.parametrize("unit", ["furlong", "Ms", "mb", "GIB", "percent", "/min"])
def test_an_unknown_unit_is_named_beside_the_known_ones(unit: str) -> None:
    with pytest.raises(ValueError, match=f"unknown unit `{unit}`.*known: .*ms.*MiB.*pt"):
        parse(f"5 {unit}")


@pytest.mark.parametrize("text", ["1e999", "1e308 h", "-1e999 MB"])
def test_a_number_beyond_all_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        parse(text)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0, "s", "0 ns"),
        (0.00123, "s", "1.23 ms"),
        (0.9999, "s", "1 s"),  # not 1,000 ms
        (59.99, "s", "1 min"),
        (90.0, "s", "1.5 min"),
        (999_600, "B", "1 MB"),
        (60_000, "B", "60 kB"),
        (5e12, "B", "5,000 GB"),
        (99.6, "1/s", "99.6 /s"),
        (1234.4, "1/s", "1,234 /s"),
        (3.35e12, "B/s", "3.35 TB/s"),
        (1979e12, "FLOP/s", "1,979 TFLOP/s"),
        (700.0, "W", "700 W"),
        (4.5, "USD/h", "4.5 USD/h"),
        (0.0123, "pt", "1.23 pt"),
        (0.0123, "%", "1.23%"),
        (12.0, "%", "1,200%"),
        (0.95, "", "0.95"),
        (math.inf, "s", "unbounded"),
        (-math.inf, "pt", "unbounded"),
        (math.nan, "", "unbounded"),
    ],
)
def test_how_values_are_shown(value: float, unit: str, shown: str) -> None:
    assert format_value(value, unit) == shown


def test_a_quantity_is_a_value() -> None:
    assert parse("1000 ms") == Quantity(1.0, "s") == parse("1 s")
