# SPDX-License-Identifier: Apache-2.0
"""The networks of the GAN with model.architecture: dcgan."""

from torch import nn

from .gan_layers import Pointwise, Stage, leaky_relu


def group_norm(keys, channels):
    return nn.GroupNorm(channels // keys["group_width"], channels, eps=1e-5)


class GeneratorStage(Stage):
    """From the stage of `before` channels; None: the first. `image`: channels of the image after the last stage, else None."""

    def __init__(self, keys, before, channels, image):
        super().__init__()
        self.is_first, self.is_last = before is None, image is not None
        if self.is_first:
            self.add_embedding(keys, keys["latent"])
            self.dense = nn.Linear(keys["latent"] * (1 + keys["conditional"]), 4 * 4 * channels, bias=False)
        else:
            self.conv = nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=False)
        self.norm = group_norm(keys, channels)
        if self.is_last:
            self.image = Pointwise(channels, image)

    def forward(self, x, labels):
        x = self.dense(self.noise_and_label(x, labels)).view(len(x), -1, 4, 4) if self.is_first else self.conv(x)
        x = leaky_relu(self.norm(x))
        return self.image(x).tanh() if self.is_last else x


class DiscriminatorStage(Stage):
    """From the stage of `before` channels, or an image of `image`. `after`: None for the last stage."""

    def __init__(self, keys, image, before, channels, after):
        super().__init__()
        self.is_first, self.is_last = before is None, after is None
        if self.is_first:
            self.image = Pointwise(image, channels)
        else:
            self.conv = nn.Conv2d(before, channels, 4, 2, 1, bias=False)
            self.norm = group_norm(keys, channels)
        if self.is_last:
            self.add_head(keys, channels, 4 * 4 * channels)

    def forward(self, x, labels):
        x = leaky_relu(self.image(x) if self.is_first else self.norm(self.conv(x)))
        return self.head(x.flatten(1), labels) if self.is_last else x
