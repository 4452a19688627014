"""Settings of a cluster, `cluster:` in a profile's cluster.yaml, that are checked before a run."""

import re
from collections.abc import Mapping

from nsgf.errors import NsgfError

# A TYPE of digits alone would be a count to SLURM.
GRES = re.compile(r"[A-Za-z_][\w.-]*(:(?!\d+$)[\w.-]+)?")


def gres_of(settings: Mapping, where: object) -> str | None:
    """How a GPU is asked for, without the count; None for --gpus.

    Args:
        settings: what stands under `cluster:`.
        where: the file that it stands in, for the message.

    Raises:
        NsgfError: `gres` is not NAME or NAME:TYPE. The count is each job's own and is put behind
            it, so that `gpu:1` would become `gpu:1:1`, which SLURM refuses job by job.
    """
    gres = settings.get("gres")
    if gres in (None, "") or (isinstance(gres, str) and GRES.fullmatch(gres)):
        return gres or None
    raise NsgfError(
        f"{where}: cluster.gres is {gres!r}, which is not NAME or NAME:TYPE",
        "write it without a count and without a comma, such as gpu or gpu:a100: the workflow adds"
        " how many GPUs a job has; leave it empty for --gpus",
    )
