"""Models for other programs: safetensors, torch.export and ONNX, compared with their source."""
