"""What the libraries say when memory ends."""

from __future__ import annotations

import pytest

from sartor.measure.child import speaks_of_memory


@pytest.mark.parametrize(
    ("text", "of_memory"),
    [
        ("std::bad_alloc", True),
        ("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory", True),
        ("could not create a primitive", True),
        ("could not create a primitive descriptor for the convolution", False),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
    ],
)
def test_words_of_memory_are_known(text: str, of_memory: bool) -> None:
    assert speaks_of_memory(text) is of_memory
