"""Files of the reference implementation for tests/format/test_safetensors.c.

Run with Python 3, numpy, torch (for bfloat16) and safetensors (0.8.0 was used):
    python3 tests/golden/make_safetensors.py
Writes tests/golden/safetensors/*.safetensors.
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

folder = pathlib.Path(__file__).parent / "safetensors"
folder.mkdir(exist_ok=True)

# Our five types, names that sort differently by case and script, ranks 0 to 3, an empty tensor. One
# metadata entry only: the reference writes several in no particular order.
save_file(
    {
        "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        "B.weight": np.array([1e-45, -0.0, np.inf], dtype=np.float32),
        "a.mean": np.array([0.1, 1e300], dtype=np.float64),
        "count": np.array(7, dtype=np.int64),
        "labels": np.array([[[-1], [2]], [[3], [-4]]], dtype=np.int32),
        "bytes": np.frombuffer(b"hello", dtype=np.uint8),
        "none": np.zeros((0, 4), dtype=np.float32),
        "g\u00fc\"\\\n\x01": np.array([5], dtype=np.int64),
    },
    folder / "types.safetensors",
    metadata={"state": '{"epoch": 3, "note": "g\u00fc \u20ac\t/\x7f"}'},
)

# Types that we list and do not interpret.
save_torch_file(
    {
        "half": torch.tensor([1.0, -2.0], dtype=torch.float16),
        "brain": torch.tensor([[1.0], [0.5], [2.0]], dtype=torch.bfloat16),
        "flag": torch.tensor([True, False, True]),
        "f32": torch.tensor([1.5]),
        "eighth": torch.tensor([1.0, 2.0], dtype=torch.float8_e4m3fn),
    },
    folder / "foreign.safetensors",
)

save_file({}, folder / "empty.safetensors")
