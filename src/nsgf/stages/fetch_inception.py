"""`nsgf fetch-inception`: are the Inception weights here? Try once to download them if not.

Writes what it found as JSON, so that the stages that measure rerun when the answer changes.
"""

from pathlib import Path

from nsgf.artifact import record, write_json
from nsgf.codehash import stage_code
from nsgf.errors import NsgfError
from nsgf.metrics.inception import download_inception, inception_available


def run(out: Path) -> None:
    """Write {"available": ...} to `out`.

    Raises:
        NsgfError: a file is there but does not hold the published weights.
    """
    if not inception_available():
        try:
            download_inception()
        except NsgfError as error:
            print(f"no FID and no IS: {error.what}", flush=True)
    write_json(out, {"available": inception_available()})
    record(out, stage="fetch-inception", config={}, seed=None, code=stage_code("fetch-inception"))
