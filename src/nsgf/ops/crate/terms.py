"""Addresses that the profiles prescribe, and the formats of our files."""

import mimetypes
from pathlib import PurePosixPath

RO_CRATE = "1.1"  # the version that the profiles of workflow runs rest on
WORKFLOW_RO_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    WORKFLOW_RO_CRATE: "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles"
WORKFLOW_RUN = "https://w3id.org/ro/terms/workflow-run#"
# Not in RO-Crate 1.1's context. Spelt out here, the crate needs no second context.
EXTRA_TERMS = {term: f"{WORKFLOW_RUN}{term}" for term in ("sha256", "resourceUsage")}
# Properties whose values are entities, named by their @id.
LINKS = frozenset(
    (
        *("about", "additionalProperty", "agent", "author", "conformsTo", "exampleOfWork"),
        *("hasPart", "input", "instrument", "license", "mentions", "object", "output"),
        *("resourceUsage", "result", "softwareRequirements", "step", "workExample"),
    )
)
COMPLETED = "http://schema.org/CompletedActionStatus"
MEGABYTE = "http://qudt.org/vocab/unit/MegaBYTE"
# What Python does not know, or calls otherwise.
FORMATS = {
    **dict.fromkeys((".cff", ".yaml", ".yml"), "application/yaml"),
    ".md": "text/markdown",
    ".npy": "application/x-npy",
    ".npz": "application/zip",
    ".safetensors": "application/octet-stream",
    ".toml": "application/toml",
}
KNOWN = mimetypes.MimeTypes()


def encoding_format(path: str) -> str:
    """Media type of a file by its ending; what has none is text."""
    return FORMATS.get(PurePosixPath(path).suffix) or KNOWN.guess_type(path)[0] or "text/plain"
