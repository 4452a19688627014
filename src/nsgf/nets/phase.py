"""The phase-transition time predictor of NSGF++: how far along the straight path is an image?"""

from typing import Annotated, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """The phase-transition time predictor (NSGF++): convolutions, average pools, sigmoid."""

    ROLE = "time"
    kind: Literal["phase_cnn"] = "phase_cnn"
    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64, 128, 256), min_length=1)
    """Output channels of each convolution."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Square images that are left with a pixel after a halving for each of `channels`."""
        super().check(shape)
        if shape[1] != shape[2] or shape[2] < 2 ** len(self.channels):
            raise ValueError(
                f"{len(self.channels)} channels halve the image as often: images of {shape[1:]} are"
                " too small, or not square"
            )


def build(config: Config, shape: tuple[int, int, int]):
    """t(x): x (n, c * h * w) to (n,) in (0, 1).

    Four 3 x 3 convolutions (32, 64, 128, 256), each with ReLU and 2 x 2 average pooling, then one
    fully connected layer and a sigmoid (NSGF, Appendix E).
    """
    from torch import Tensor, nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            before, side, layers = shape[0], shape[-1], []
            for after in config.channels:
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)]
                before, side = after, side // 2
            self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side**2, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x.unflatten(1, shape)).squeeze(1).float().sigmoid()

    return Net()
