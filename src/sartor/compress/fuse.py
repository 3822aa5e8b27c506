"""Fewer operators for the same numbers: what follows from the graph alone."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from sartor.compress.attention import fuse_attention
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.compress.onnxruntime_int8 import prepare
from sartor.compress.quiet import quiet
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError


def fuse_operators(work: Work) -> StepResult:
    """Requires nothing. Ensures the same numbers in fewer operators, in f32. Changes rounding only.

    Constants and batch normalisations are folded, reshapes and transpositions that undo each other left out, by ONNX
    Runtime's own rules, which it would apply while it loads the file; and each attention becomes one operator, which it
    would not.
    """
    with TemporaryDirectory(prefix="sartor-") as scratch, quiet():
        before = len(read_whole(work.source.path).graph.node)
        model = fuse_attention(read_whole(prepare(work.source.path, Path(scratch))))
        after = len(model.graph.node)
        if after >= before:
            raise CandidateError("unsupported", f"nothing to fuse: {before} operators stay as they are")
        main = write_whole(model, work.folder / "model.onnx")
    attention = sum(node.op_type == "MultiHeadAttention" for node in model.graph.node)
    said = f", {attention} of which are attention" if attention else ""
    return StepResult(main, changed=True, notes=(f"{after} operators in place of {before}{said}",))
