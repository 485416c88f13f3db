# SPDX-License-Identifier: Apache-2.0
"""The networks of the GAN with model.architecture: residual."""

import torch
import torch.nn.functional as F
from torch import nn

from .gan_layers import Pointwise, Stage, leaky_relu


def resample(x, up):
    """Doubles or halves height and width, with the filter [1, 3, 3, 1] of each axis."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = (torch.outer(line, line) / (16 if up else 64)).to(x).expand(x.shape[1], 1, 4, 4)
    return (F.conv_transpose2d if up else F.conv2d)(x, kernel, stride=2, padding=1, groups=x.shape[1])


def pointwise(before, after):
    return Pointwise(before, after, bias=False) if before != after else nn.Identity()


class Block(nn.Module):
    def __init__(self, channels, group_width):
        super().__init__()
        inner = 2 * channels
        self.expand = Pointwise(channels, inner)
        self.conv = nn.Conv2d(inner, inner, 3, padding=1, groups=inner // group_width)
        self.project = Pointwise(inner, channels, bias=False)

    def forward(self, x):
        return x + self.project(leaky_relu(self.conv(leaky_relu(self.expand(x)))))


class ResidualStage(Stage):
    def __init__(self, keys, channels):
        super().__init__()
        self.block_names = [f"block{i}" for i in range(keys["blocks"])]
        for name in self.block_names:
            self.add_module(name, Block(channels, keys["group_width"]))

    def run_blocks(self, x):
        for name in self.block_names:
            x = self.get_submodule(name)(x)
        return x


class GeneratorStage(ResidualStage):
    """From the stage of `before` channels; None: the first. `image`: channels of the image after the last stage, else None."""

    def __init__(self, keys, before, channels, image):
        super().__init__(keys, channels)
        self.is_first = before is None
        if self.is_first:
            self.add_embedding(keys, keys["latent"])
            self.basis = nn.Parameter(torch.empty(1, channels, 4, 4))
            self.modulation = nn.Linear(keys["latent"] * (1 + keys["conditional"]), channels, bias=False)
        else:
            self.transition = pointwise(before, channels)
        self.image = nn.Identity() if image is None else Pointwise(channels, image, bias=False)

    def forward(self, x, labels):
        if self.is_first:
            x = self.basis * self.modulation(self.noise_and_label(x, labels))[:, :, None, None]
        else:
            x = resample(self.transition(x), up=True)
        return self.image(self.run_blocks(x))


class DiscriminatorStage(ResidualStage):
    """To the stage of `after` channels; None: the last. `image`: channels of the image before the first stage, else None."""

    def __init__(self, keys, image, before, channels, after):
        del before
        super().__init__(keys, channels)
        self.image = nn.Identity() if image is None else Pointwise(image, channels, bias=False)
        self.is_last = after is None
        if self.is_last:
            self.basis = nn.Parameter(torch.empty(1, channels, 4, 4))
            self.add_head(keys, channels, channels)
        else:
            self.transition = pointwise(channels, after)

    def forward(self, x, labels):
        x = self.run_blocks(self.image(x))
        if self.is_last:
            return self.head((x * self.basis).sum((2, 3)), labels)
        return self.transition(resample(x, up=False))
