#!/usr/bin/env python3
"""The largest difference between what an exported decoder says and what the program said.

    check_onnx.py MODEL.onnx LATENTS.safetensors DECODED.safetensors TEMPERATURE

Exits 77 where onnxruntime is not installed.
"""
import sys

try:
    import numpy as np
    import onnxruntime
    from safetensors.numpy import load_file
except ImportError as error:
    print(f"no {error.name}")
    sys.exit(77)

model, latents, decoded, temperature = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
z = load_file(latents)
inputs = {i.name: z[i.name] for i in session.get_inputs() if i.name != "temperature"}
inputs["temperature"] = np.array(temperature, dtype=np.float32)
x = session.run(["x"], inputs)[0]
y = load_file(decoded)["x"]
assert x.shape == y.shape, (x.shape, y.shape)
print(float(np.abs(x - y).max()))
