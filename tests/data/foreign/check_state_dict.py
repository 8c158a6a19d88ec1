#!/usr/bin/env python3
"""Bits per dimension that rosinality's formulas give for a state dict, which PyTorch must open as weights alone.

    check_state_dict.py STATE.pt INPUTS.safetensors BITS

Exits 77 where PyTorch is not installed.
"""
import json
import os
import sys

try:
    import torch
    from safetensors.torch import load_file
except ImportError as error:
    print(f"no {error.name}")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_foreign import D, rosinality

state = torch.load(sys.argv[1], weights_only=True)
state = {name.removeprefix("module."): value for name, value in state.items()}
bits, _ = rosinality(state, load_file(sys.argv[2])["x"].to(D), int(sys.argv[3]))
print(json.dumps(bits.tolist()))
