"""Models: open any source, know its signature, export it to ONNX."""
