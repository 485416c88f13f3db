# SPDX-License-Identifier: Apache-2.0
"""The generative adversarial network of ebb (model.kind: gan)."""

import torch
from torch import nn

from . import gan_dcgan, gan_residual
from .image_model import ImageModel

ARCHITECTURES = {"residual": gan_residual, "dcgan": gan_dcgan}


class Network(nn.ModuleDict):
    def __init__(self, stages):
        super().__init__({f"stage{i}": stage for i, stage in enumerate(stages)})

    def forward(self, x, labels=None):
        for stage in self.values():
            x = stage(x, labels)
        return x


class Gan(ImageModel):
    """Square images [B, C, S, S], about in [-1, 1].

    generator(noise [B, latent], labels [B]) returns images, and discriminator(images, labels) logits
    [B]. Labels are int64; only a conditional model reads them.
    """

    def __init__(self, config):
        super().__init__(config)
        keys, (image, side, _) = self.keys, self.image_dims
        networks = ARCHITECTURES[keys["architecture"]]
        sizes = side.bit_length() - 2  # from 4 x 4 to side x side
        widths = [None, *(min(keys["width"] << halvings, keys["max_width"]) for halvings in range(sizes)), None]
        self.discriminator = Network(
            networks.DiscriminatorStage(keys, image if i == 0 else None, *widths[i:i + 3]) for i in range(sizes))
        widths.reverse()
        self.generator = Network(
            networks.GeneratorStage(keys, *widths[i:i + 2], image if i + 1 == sizes else None) for i in range(sizes))

    def forward(self, noise, labels=None):
        return self.generator(noise, labels)

    @torch.no_grad()
    def sample(self, count, seed=0, labels=None, first=0):
        """The new images `first` and following, uint8 [count, C, S, S].

        Without labels, image i has the label i modulo the classes.
        """
        if labels is None and self.keys["conditional"]:
            labels = torch.arange(first, first + count) % self.keys["classes"]
        images = []
        for begin, size in self.parts(count, first):
            noise = self.noise(size, seed, begin)
            some = None if labels is None else labels[begin - first:begin - first + size].to(noise.device)
            images.append(((self.generator(noise, some).float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
        return torch.cat(images)
