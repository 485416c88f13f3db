# SPDX-License-Identifier: Apache-2.0
"""What the models of images share."""

import torch
from torch import nn

from .philox import normals

RUN_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class ImageModel(nn.Module):
    """A model of config.json that makes images from `latent` normal numbers each.

    The submodules have names such that the parameters have those of ebb.
    """

    def __init__(self, config):
        super().__init__()
        self.keys = config["model"]
        self.run_dtype = RUN_DTYPES[config["dtype"]]
        self.image_dims = next(field["dims"] for field in config["sample"] if field["name"] == "image")  # C, H, W

    def noise(self, count, seed, first=0):
        """The noise [count, latent] of the images `first` and following of `ebb sample`.

        It is rounded to the dtype of the run, as there.
        """
        return normals(count, self.keys["latent"], seed, first=first).to(self.run_dtype).to(next(self.parameters()))

    def parts(self, count, first, size=256):
        """(first, count) of parts of at most `size` images, which bound the memory of activations."""
        return [(i, min(size, first + count - i)) for i in range(first, first + count, size)]
