# SPDX-License-Identifier: Apache-2.0
"""Builds the image models that `ebb export` writes. The package needs PyTorch alone.

    import ebb_models
    model = ebb_models.load("FOLDER")
    images = model.sample(16, seed=1)  # uint8 [16, C, H, W], as `ebb sample --count 16 --seed 1` draws them

In fp32 the results differ from ebb's by rounding. A run in 16 bits also rounds activations to 16 bits,
and these models do so only if they are loaded in that dtype.
"""

import json
import pathlib

import torch

from .gan import Gan
from .safetensors import read_folder
from .vae import Vae

MODELS = {"ebb_vae": Vae, "ebb_gan": Gan}  # model_type of config.json -> class


def load(folder, dtype=torch.float32):
    """The model in a folder of `ebb export`, on the CPU, with weights in `dtype`.

    ValueError: the folder holds another model. RuntimeError: its weights do not fit its config.json.
    """
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    kind = config["model_type"]
    if kind in MODELS:
        model = MODELS[kind](config)
        model.load_state_dict(read_folder(folder))
        return model.to(dtype).eval()
    if kind.startswith("ebb_"):
        raise ValueError(f"{folder} holds a model {kind}; ebb_models builds {' and '.join(MODELS)}")
    raise ValueError(f"{folder} is for the library transformers: transformers.AutoModelForCausalLM.from_pretrained({str(folder)!r})")
