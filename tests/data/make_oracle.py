#!/usr/bin/env python3
"""Makes the oracle files of this folder with an independent PyTorch Glow.

    make_oracle.py path/to/torch_glow.py

`torch_glow.py` is a program of its own that reads the same weight files (`new` writes random weights with every
number moved off its initial value, `oracle` encodes and decodes pictures). For each configuration below this
writes NAME.safetensors (weights) and NAME.oracle.safetensors (pictures, eps of each level, bits per dimension,
decoded pictures). Needs torch, numpy, safetensors, pillow.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

CONFIGS = {
    "lu_affine_edge": dict(image_size=16, channels=3, levels=2, depth=2, width=16, permutation="invconv_lu",
                           coupling="affine", bits=5, padding="edge_bias"),
    "plain_additive_ones": dict(image_size=16, channels=3, levels=3, depth=1, width=12, permutation="invconv",
                                coupling="additive", bits=8, padding="final_ones"),
    "shuffle_affine_zeros": dict(image_size=16, channels=3, levels=2, depth=2, width=9, permutation="shuffle",
                                 coupling="affine", bits=5, padding="zeros"),
    "reverse_affine_ones": dict(image_size=16, channels=3, levels=1, depth=2, width=16, permutation="reverse",
                                coupling="affine", bits=3, padding="final_ones"),
    "lu_additive_edge": dict(image_size=16, channels=3, levels=4, depth=1, width=8, permutation="invconv_lu",
                             coupling="additive", bits=5, padding="edge_bias"),
    "chain_of_one_stage": dict(image_size=32, channels=3, levels=2, depth=1, width=8, permutation="invconv_lu",
                               coupling="affine", bits=8, padding="edge_bias", scale_floor=0.5,
                               detail=[dict(depth=2, width=12, trunk=10, blocks=2, features=6, scale_floor=0.7)]),
    "chain_of_two_stages": dict(image_size=32, channels=3, levels=1, depth=1, width=8, permutation="invconv",
                                coupling="affine", bits=5, padding="final_ones",
                                detail=[dict(depth=2, width=9, trunk=7, blocks=0, features=5),
                                        dict(depth=1, width=12, trunk=8, blocks=1, features=6, scale_floor=0.5)]),
}


def picture(i, size):
    """A smooth pattern with a little noise, drawn from the number i alone."""
    rng = np.random.default_rng(i)
    y, x = np.mgrid[0:size, 0:size] / size
    planes = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) for _ in range(3)]
    values = 128 + 100 * np.stack(planes, -1) + rng.normal(0, 8, (size, size, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def main():
    peer, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
    for seed, (name, config) in enumerate(CONFIGS.items()):
        with tempfile.TemporaryDirectory() as work:
            paths = []
            for i in range(3):
                paths.append(os.path.join(work, f"{i}.png"))
                picture(10 * seed + i, config["image_size"]).save(paths[-1])
            config_path, npz = os.path.join(work, "config.json"), os.path.join(work, "oracle.npz")
            with open(config_path, "w") as f:
                json.dump(config, f)
            weights = os.path.join(here, name + ".safetensors")
            run = lambda *a: subprocess.run([sys.executable, peer, *a], check=True)
            run("new", "--config", config_path, "--out", weights, "--seed", str(seed), "--perturb")
            run("oracle", weights, "--images", *paths, "--out", npz)
            data = np.load(npz)
            save_file({k: np.ascontiguousarray(data[k]) for k in data.files}, os.path.join(here, name + ".oracle.safetensors"))


if __name__ == "__main__":
    main()
