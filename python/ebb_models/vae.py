# SPDX-License-Identifier: Apache-2.0
"""The variational autoencoder of ebb (model.kind: vae)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .image_model import ImageModel


def to_bytes(means):
    return (means.float() * 255).round().to(torch.uint8)


class Vae(ImageModel):
    """Images are [B, C, H, W] in [0, 1], codes are [B, latent]."""

    def __init__(self, config):
        super().__init__(config)
        channels, height, width = self.image_dims
        latent, hidden, inner = self.keys["latent"], self.keys["hidden"], self.keys["width"]
        outer = max(1, inner // 2)
        self.smallest = inner, height // 4, width // 4
        flat = math.prod(self.smallest)
        self.encoder = nn.ModuleDict({
            "conv1": nn.Conv2d(channels, outer, 4, 2, 1), "conv2": nn.Conv2d(outer, inner, 4, 2, 1),
            "dense": nn.Linear(flat, hidden), "code": nn.Linear(hidden, 2 * latent),
        })
        self.decoder = nn.ModuleDict({
            "code": nn.Linear(latent, hidden), "dense": nn.Linear(hidden, flat),
            "conv1": nn.ConvTranspose2d(inner, outer, 4, 2, 1), "conv2": nn.ConvTranspose2d(outer, channels, 4, 2, 1),
        })
        self.is_bernoulli = self.keys.get("likelihood", "bernoulli") == "bernoulli"
        if not self.is_bernoulli:  # the other distributions of a pixel have a scale beside the mean
            self.decoder.register_parameter("log_scale", nn.Parameter(torch.zeros(channels)))

    def encode(self, images):
        """Mean and log-variance of the codes of images."""
        layers = self.encoder
        h = F.relu(layers["conv2"](F.relu(layers["conv1"](images))))
        return layers["code"](F.relu(layers["dense"](h.flatten(1)))).chunk(2, 1)

    def decode(self, codes):
        """The means of the pixels, which are the images of codes."""
        layers = self.decoder
        h = F.relu(layers["dense"](F.relu(layers["code"](codes)))).view(-1, *self.smallest)
        h = layers["conv2"](F.relu(layers["conv1"](h)))
        return h.sigmoid() if self.is_bernoulli else (h + 0.5).clamp(0, 1)

    def forward(self, images):
        return self.decode(self.encode(images)[0])

    @torch.no_grad()
    def sample(self, count, seed=0, first=0):
        """The new images `first` and following, uint8 [count, C, H, W]."""
        parts = self.parts(count, first)
        return torch.cat([to_bytes(self.decode(self.noise(size, seed, begin))) for begin, size in parts])

    @torch.no_grad()
    def reconstruct(self, images):
        """The reconstructions of images, both uint8 [B, C, H, W]."""
        return to_bytes(self(images.to(next(self.parameters())) / 255))
