# SPDX-License-Identifier: Apache-2.0
"""Reads safetensors: a u64 N (little-endian), N bytes of JSON, and the numbers of the tensors."""

import json
import struct

import torch

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8,
}


def read(path):
    """The tensors of a file, by name."""
    tensors = {}
    with open(path, "rb") as file:
        header_bytes, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            data = bytearray(end - begin)
            file.seek(8 + header_bytes + begin)
            if file.readinto(data) != len(data):
                raise ValueError(f"{path} ends within the tensor {name}: export the weights again")
            tensors[name] = torch.frombuffer(data, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def read_folder(folder):
    """The tensors of model.safetensors, or of all files that model.safetensors.index.json names."""
    index = folder / "model.safetensors.index.json"
    files = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else ["model.safetensors"]
    return {name: tensor for file in files for name, tensor in read(folder / file).items()}
