"""Inception-v3 exactly as clean-fid runs it, on weights whose digest is checked first.

The weights (95,607,719 bytes) are looked for in the file $NSGF_INCEPTION, then in the cache folder
($NSGF_CACHE, or the user's cache). Tests may put another digest in force by
$NSGF_TEST_INCEPTION_SHA256: the extractor then is `standin_inception`, and no number of it an FID.
"""

import os
import shutil
import tempfile
import urllib.request
from http.client import HTTPException
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nsgf.artifact import atomic
from nsgf.errors import NsgfError
from nsgf.metrics.extractor import INCEPTION_SHA256, Extractor, Map, rgb, verify
from nsgf.metrics.weights import INCEPTION_FILE, cached_inception, inception_file

TEST_OVERRIDE = "NSGF_TEST_INCEPTION_SHA256"
MEND = f"remove it and fetch {INCEPTION_FILE} again, or set NSGF_INCEPTION to a good copy"


def inception(device: torch.device | str = "cpu", mode: str = "clean") -> Extractor:
    """Inception-v3 as clean-fid runs it: 2048-d pool features, probabilities without output bias.

    The weights' digest is checked before clean-fid sees the file: by itself clean-fid takes
    whatever lies in its folder. Under the tests' override the name is `standin_inception`.

    Args:
        device: where the net runs.
        mode: "clean" (Pillow bicubic to 299 px) or "legacy_tensorflow" (resized in the net).

    Raises:
        ValueError: another mode.
        NsgfError: the weights are missing, or are not the published ones.
    """
    if mode not in ("clean", "legacy_tensorflow"):
        raise ValueError(f"mode must be clean or legacy_tensorflow; received {mode!r}")
    name, digest = _accepted()
    path = inception_file()
    if path is None:
        raise NsgfError(
            "the Inception weights are not here, so there is no FID",
            f"put {INCEPTION_FILE} into the cache folder, or set NSGF_INCEPTION to its path",
            looked_for=cached_inception(),
        )
    verify(path, digest, MEND)
    net = _clean_fid_net(path, mode).to(device)
    prepare = _clean_fid_resizer(mode, device)
    return Extractor(
        name,
        f"clean-fid {metadata.version('clean-fid')} {mode}",
        digest,
        lambda batch: net(prepare(batch)),
        lambda batch: net.base(prepare(batch), no_output_bias=True),
    )


def inception_available() -> bool:
    """Whether the Inception weights are here and whole; False where there are none.

    Raises:
        NsgfError: $NSGF_INCEPTION names no file, or the file found has another digest.
    """
    path = inception_file()
    if path is not None:
        verify(path, _accepted()[1], MEND)
    return path is not None


def download_inception(url: str | None = None, timeout: float = 10.0) -> Path:
    """Fetch the Inception weights (96 MB) into the cache folder; never called implicitly.

    Args:
        url: source, clean-fid's own by default.
        timeout: seconds without an answer after which it gives up.

    Raises:
        NsgfError: the source did not answer, or sent other bytes; nothing is kept then.
    """
    from cleanfid.downloads_helper import inception_url

    url, target = url or inception_url, cached_inception()
    with atomic(target) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer, temporary.open("wb") as f:
                shutil.copyfileobj(answer, f)
        except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
            raise NsgfError(
                f"the Inception weights could not be fetched: {error}",
                f"fetch {INCEPTION_FILE} elsewhere and set NSGF_INCEPTION to its path",
            ) from error
        verify(temporary, INCEPTION_SHA256, MEND)
    return target


def _accepted() -> tuple[str, str]:
    """Name and digest of the Inception that is accepted now: under the override never Inception."""
    override = os.environ.get(TEST_OVERRIDE)
    return ("standin_inception", override) if override else ("inception", INCEPTION_SHA256)


def _clean_fid_net(path: Path, mode: str) -> nn.Module:
    from cleanfid.inception_torchscript import InceptionV3W

    # clean-fid's builder reads one fixed folder; its class takes any that holds a file so named.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, INCEPTION_FILE).symlink_to(path.resolve())
        net = InceptionV3W(folder, download=False, resize_inside=mode == "legacy_tensorflow")
    return net.eval()


def _clean_fid_resizer(mode: str, device: torch.device | str) -> Map:
    """Images to the float input of the net, 0 to 255, each through clean-fid's own resizer."""
    from cleanfid.resize import build_resizer

    resize = build_resizer(mode)

    def prepare(batch: Tensor) -> Tensor:
        arrays = [resize(image) for image in rgb(batch).permute(0, 2, 3, 1).cpu().numpy()]
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).to(device, torch.float32)

    return prepare
