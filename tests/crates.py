"""The public validator of RO-Crates, made to work without a network.

A crate names RO-Crate's JSON-LD context by its address, and the validator looks it up there. It has
an offline mode, which answers from a cache of earlier downloads; here that cache is filled with the
definitions, as RO-Crate 1.1 prints them, of just those terms that our crates use. A term beyond
them fails the validation, so the list cannot lag behind unnoticed.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
TERMS = Path(__file__).parent / "ro_crate_1.1_terms.json"
VALIDATOR = Path(sys.executable).parent / "rocrate-validator"
PROFILE = "provenance-run-crate"


class _Stored(HTTPAdapter):
    """Answers with the stored terms whatever is asked."""

    def send(self, request, **_):
        kind = {"Content-Type": "application/ld+json"}
        body = io.BytesIO(TERMS.read_bytes())
        return self.build_response(request, HTTPResponse(body, kind, 200, preload_content=False))


def validate(crate: Path, folder: Path, severity: str = "REQUIRED") -> list[dict]:
    """What the validator finds wrong in the folder `crate`; `folder` is for its files."""
    report = folder / "report.json"
    words = ["--requirement-severity", severity, "-f", "json", "-o", report]
    result = _call(crate, folder, *words)
    assert report.exists(), result.stdout + result.stderr
    found = json.loads(report.read_text())
    assert found["passed"] == (result.returncode == 0) == (not found["issues"])
    assert found["statistics"]["total_checks"] > 80, found["statistics"]
    return found["issues"]


def verdict(archive: Path, folder: Path) -> str:
    """The validator's words on a zip archive, of which it writes no JSON report (0.13.0)."""
    result = _call(archive, folder, "--requirement-severity", "REQUIRED")
    return f"exit code {result.returncode}: {result.stdout}{result.stderr}"


def _call(crate: Path, folder: Path, *words) -> subprocess.CompletedProcess:
    with CachedSession(cache_name=str(folder / "http"), expire_after=-1) as session:
        session.mount("https://", _Stored())
        session.get(CONTEXT)
    offline = ["--offline", "--cache-path", folder / "http", "--no-paging"]
    command = [VALIDATOR, "-y", "validate", *offline, "--profile-identifier", PROFILE]
    return subprocess.run([*command, *words, crate], capture_output=True, text=True)
