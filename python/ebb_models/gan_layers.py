# SPDX-License-Identifier: Apache-2.0
"""Layers that the networks of the GAN share."""

import torch
import torch.nn.functional as F
from torch import nn


def leaky_relu(x):
    return F.leaky_relu(x, 0.2)


class Pointwise(nn.Linear):
    """A 1 x 1 convolution whose weight is that of a linear layer."""

    def forward(self, x):
        return F.conv2d(x, self.weight[:, :, None, None], self.bias)


class Stage(nn.Module):
    """The layers of a network at one image size."""

    def add_embedding(self, keys, width):
        self.embedding = nn.Embedding(keys["classes"], width) if keys["conditional"] else None

    def noise_and_label(self, noise, labels):
        """The input of a generator's first layer."""
        return noise if self.embedding is None else torch.cat([noise, self.embedding(labels)], 1)

    def add_head(self, keys, channels, features):
        width = channels if keys["conditional"] else 1
        self.logit = nn.Linear(features, width, bias=False)
        self.add_embedding(keys, width)

    def head(self, features, labels):
        """The logits of a discriminator's features."""
        out = self.logit(features).float()
        return out.flatten() if self.embedding is None else (out * self.embedding(labels).float()).sum(1)
