"""A network of an ONNX file as a torch module. Imports torch: import this package inside functions only."""

from sartor.train.onnx_module.module import OnnxModule, unsupported_operators

__all__ = ["OnnxModule", "unsupported_operators"]
