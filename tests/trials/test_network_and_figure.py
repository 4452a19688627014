"""Trial: a network for images, and a figure, are one file and one line each."""

from tests.image_sets import image_set
from tests.trials.house import House, small

NETWORK = '''"""One convolution: the smallest field of images."""

from typing import Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """A convolution of the image and its time."""

    kind: Literal["convolution"] = "convolution"
    side: int = Field(default=3, ge=1)
    """Side of the filter, pixels, odd."""

    def check(self, shape):
        """Images, and a filter that has a middle."""
        super().check(shape)
        if self.side % 2 == 0:
            raise ValueError(f"side {self.side} is even")


def build(config, shape):
    """v(x, t): x (n, c * h * w) and t (n,) to (n, c * h * w)."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.filter = nn.Conv2d(shape[0] + 1, shape[0], config.side, padding="same")

        def forward(self, x, t):
            images = x.unflatten(1, shape)
            time = t[:, None, None, None].expand(len(x), 1, *shape[1:])
            return self.filter(torch.cat([images, time], 1)).flatten(1)

    return Net()
'''
FIGURE = '''"""Mean brightness of samples along their paths."""

from nsgf.report.style import Sheet, look


@look()
def draw(settings, figure, panels):
    """A line a cell."""
    sheet = Sheet(settings, 3, 2)
    axes = sheet.axes(0.4, 0.3, 2.3, 1.4)
    for panel in panels:
        axes.plot(panel.arrays["path"].mean((1, 2)), label=panel.method_title)
    axes.legend()
    return sheet.drawing
'''


def preset(**net) -> dict:
    whole = small("mine", kind="images", datasets=["mnist"], methods={"fm": {"nfe": 2}})
    study = whole["studies"]["table1"]
    study["networks"]["straight"]["net"] = {"kind": "convolution"} | net
    study["metrics"] = {"n_test": 16, "n_floor": 16, "features": ["effnet_lite0"]}
    study["metrics"] |= {"kid_subsets": 2, "kid_subset_size": 8, "neighbours": 2}
    study["sampling"] |= {"n_samples": 16}
    whole["figures"] = {"light": {"kind": "brightness", "study": "table1", "datasets": ["mnist"]}}
    whole["figures"]["light"] |= {"nfe": 2}
    return whole


def house(folder, whole) -> House:
    made = House(folder, whole)
    made.add("src/nsgf/nets/convolution.py", NETWORK)
    made.line("NETS", '"convolution": "nsgf.nets.convolution",')
    made.add("src/nsgf/report/brightness.py", FIGURE)
    made.line("FIGURES", '"brightness": Figure("nsgf.report.brightness", shows="images"),')
    return made


def test_both_run_from_data_to_figure(tmp_path):
    made = house(tmp_path, preset())
    image_set(made.folder / "data/processed", "mnist", (1, 28, 28), provenance=True)
    made.run(but=("fetch",))
    (row,) = [r for r in made.rows("table1") if r["metric"] == "fd_effnet_lite0"]
    assert row["method"] == "fm"
    assert (made.results / "figures/light.png").stat().st_size > 1000
    assert (len(made.added), made.lines) == (2, 2)
    assert "torch" not in said(made, "import sys; print(*sys.modules)").split()
    plan = made.nsgf("plan", "--preset", "config/mine.yaml")
    assert plan.returncode == 0, plan.stderr
    assert "no model" in plan.stdout or "measured here" in plan.stdout


def said(made: House, program: str) -> str:
    return made.python(
        "from nsgf.config.base import load; from nsgf.config.preset import Preset;"
        f" load('config/mine.yaml', Preset); {program}"
    )


def test_its_own_check_is_one_message(tmp_path):
    made = house(tmp_path, preset(side=2))
    result = made.nsgf("check", "--preset", "config/mine.yaml")
    assert result.returncode == 1
    assert ": side 2 is even" in result.stderr
