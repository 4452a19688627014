"""An audit as people read it, and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nsgf.artifact import sha256_json
from nsgf.ops.audit import chain
from nsgf.ops.audit.checks import Finding, Run
from nsgf.ops.audit.verdict import SOUND, Audit
from nsgf.ops.text import columns

ACCOUNT = ("command", "seed", "code", "commit", "machine", "numerics", "versions", "config_sha256")
SHOWN = 25  # findings in the table; the JSON holds all


def as_json(audit: Audit) -> dict:
    """Verdict and findings, every artefact with its account, every number with its chain."""
    run, judged = audit.run, audit.verdict
    wrong = {f.path: f.kind for f in reversed(audit.found)}
    artefacts, configurations = {}, {}
    for path, file in run.files.items():
        body, known = file.body or {}, run.record.artefacts.get(path)
        artefacts[path] = {key: body.get(key) for key in ACCOUNT} | {
            "inputs": body.get("inputs", {}),
            "sha256": file.sha256,
            "provenance_sha256": file.provenance,
            "stage": run.maker[path].stage,
            "recipe": known and known.recipe,
            "recorded_numerics": known and known.numerics,
            "status": wrong.get(path, "left out" if path in run.left_out else "ok"),
        }
        if body:
            configurations[body["config_sha256"]] = body["config"]
    numbers = [
        {"table": n.table, "number": n.label, "values": n.values, "chain": parts}
        for n, parts in _chains(run)
    ]
    given = {p for n in numbers for part in n["chain"].values() for p in part} - set(artefacts)
    artefacts |= {p: {"sha256": run.elsewhere(p), "status": "tracked"} for p in sorted(given)}
    return {
        "subject": str(run.root),
        "commit": audit.commit.id,
        "made_by": run.record.made_by,
        "sound": judged.name in SOUND,
        "verdict": vars(judged) | {"cells": [vars(c) | {"agrees": c.agrees} for c in judged.cells]},
        "findings": [vars(f) for f in audit.found],
        "repeated": [one.task.job for one in audit.repeated],
        "numbers": numbers,
        "artefacts": artefacts,
        "configurations": configurations,
    }


def as_text(audit: Audit) -> str:
    """The verdict, numbers with what they rest on, parts of the run, and findings."""
    run = audit.run
    blocks = [
        "\n".join([audit.verdict.line, *audit.verdict.notes]),
        f"Audit of {run.root} by commit {audit.commit.id[:10]}",
        _numbers(run, {f.path for f in audit.found}),
        _parts(run),
    ]
    if audit.repeated:
        names = ", ".join(one.task.job for one in audit.repeated)
        blocks.append(f"Run again from their recorded inputs: {names}")
    blocks.append(_findings(audit.found))
    return "\n\n".join(b for b in blocks if b)


def _chains(run: Run) -> Iterator[tuple[chain.Number, dict[str, list[str]]]]:
    inputs = {path: list(file.body["inputs"]) for path, file in run.files.items() if file.body}
    for number in chain.numbers(run.name, run.root, inputs):
        yield number, chain.behind(number.files, inputs)


def _numbers(run: Run, wrong: set[str]) -> str:
    """One line a number: its values, how many files of each part lie behind it, a digest of all."""
    rows = [("table", "number", "values", "rests on", "chain", "")]
    for number, parts in _chains(run):
        counts = " < ".join(f"{len(parts[k])} {k}" for k in reversed(chain.LINKS) if k in parts)
        paths = [p for part in parts.values() for p in part]
        digest = sha256_json([[p, run.digest(p)] for p in paths])[:12]
        made = (p for p in run.files if p.endswith(f"/{number.table}.csv"))
        mark = "ok" if wrong.isdisjoint([*paths, *made]) else "NOT SOUND"
        rows.append((number.table, number.label, _values(number.values), counts, digest, mark))
    return columns(rows) if len(rows) > 1 else ""


def _values(values: Mapping[str, str]) -> str:
    """0.280 [0.188, 0.373]; other numbers with their names."""
    shown = dict(values)
    if {"mean", "ci_low", "ci_high"} <= set(shown):
        shown = {"": f"{shown['mean']} [{shown['ci_low']}, {shown['ci_high']}]"}
    return ", ".join(f"{name} {value}".strip() for name, value in shown.items())


def _parts(run: Run) -> str:
    """How many artefacts each part has, and how many of them are what."""
    kinds = ("artefacts", "as recorded", "same bytes, own provenance", "other bytes", "left out")
    parts: dict[str, Counter] = {}
    for path, file in run.files.items():
        count, known = parts.setdefault(chain.part(path), Counter()), run.record.artefacts.get(path)
        count["artefacts"] += 1
        if path in run.left_out:
            count["left out"] += 1
        elif known and file.sha256:
            alike = known.provenance == file.provenance
            count[kinds[3 if known.sha256 != file.sha256 else 1 if alike else 2]] += 1
    rows = [(part, *(str(count[kind]) for kind in kinds)) for part, count in parts.items()]
    return columns([("part", *kinds), *rows])


def _findings(found: Sequence[Finding]) -> str:
    rows = [(f.kind.upper(), f.path, f.why) for f in found[:SHOWN]]
    more = f"\n... and {len(found) - SHOWN} more: --json has all" if len(found) > SHOWN else ""
    return columns(rows) + more if rows else ""
