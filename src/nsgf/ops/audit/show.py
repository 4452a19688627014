"""An audit as people read it, and as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from nsgf.artifact import sha256_json
from nsgf.ops.audit import chain
from nsgf.ops.audit.expected import Expected
from nsgf.ops.audit.findings import Finding
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.subject import Subject
from nsgf.ops.text import columns

SHOWN = 25  # findings in the table; the JSON holds all


def as_json(subject: Subject, commit: Commit, repeated: Sequence[Expected]) -> dict:
    """Everything: findings, every artefact with its account, every number with its chain."""
    run, recorded = subject.run, subject.record.artefacts
    wrong = {f.path: f.kind for f in reversed(sorted(subject.findings, key=lambda f: f.rank))}
    artefacts, configurations = {}, {}
    for path, file in run.files.items():
        body = file.body or {}
        about = {k: body.get(k) for k in ("command", "seed", "code", "commit", "machine")}
        about |= {"sha256": file.sha256, "provenance_sha256": file.provenance}
        about |= {"stage": run.maker[path].stage, "versions": body.get("versions")}
        about |= {"inputs": body.get("inputs", {}), "config_sha256": body.get("config_sha256")}
        about |= {"recipe": recorded[path].recipe if path in recorded else None}
        if path in run.left_out:
            about |= {"sha256": recorded[path].sha256}
        status = "left out" if path in run.left_out else "ok"
        artefacts[path] = about | {"status": wrong.get(path, status)}
        if body:
            configurations[body["config_sha256"]] = body["config"]
    numbers = [
        {"table": n.table, "number": n.label, "values": n.values, "chain": parts}
        for n, parts in _chains(subject)
    ]
    given = {p for n in numbers for part in n["chain"].values() for p in part} - set(artefacts)
    artefacts |= {p: {"sha256": run.elsewhere(p), "status": "tracked"} for p in sorted(given)}
    return {
        "subject": str(subject.root),
        "commit": commit.id,
        "made_by": subject.record.made_by,
        "sound": not subject.findings,
        "findings": [vars(f) for f in sorted(subject.findings, key=lambda f: f.rank)],
        "repeated": [j.job for j in repeated],
        "numbers": numbers,
        "artefacts": artefacts,
        "configurations": configurations,
    }


def as_text(subject: Subject, commit: Commit, repeated: Sequence[Expected]) -> str:
    """Numbers with what they rest on, parts of the run, and findings."""
    blocks = [
        f"Audit of {subject.root} by commit {commit.id[:10]}",
        _numbers(subject),
        _parts(subject),
    ]
    if repeated:
        names = ", ".join(j.job for j in repeated)
        blocks.append(f"Run again from their recorded inputs: {names}")
    blocks.append(_findings(subject.findings) or "Sound: every file is what the commit records.")
    return "\n\n".join(b for b in blocks if b)


def _chains(subject: Subject):
    def inputs(path: str) -> list[str]:
        file = subject.run.files.get(path)
        return list(file.body["inputs"]) if file and file.body else []

    for number in chain.numbers(subject.run.name, subject.root, inputs):
        yield number, chain.behind(number.files, inputs)


def _numbers(subject: Subject) -> str:
    """One line a number: its values, how many files of each part lie behind it, a digest of all."""
    wrong = {f.path for f in subject.findings}
    rows = [("table", "number", "values", "rests on", "chain", "")]
    for number, parts in _chains(subject):
        counts = " < ".join(f"{len(parts[k])} {k}" for k in reversed(chain.LINKS) if k in parts)
        paths = [p for part in parts.values() for p in part]
        digest = sha256_json([[p, _sha(subject, p)] for p in paths])[:12]
        mark = "ok" if not wrong & {*paths, *_tables(subject, number.table)} else "NOT SOUND"
        rows.append((number.table, number.label, _values(number.values), counts, digest, mark))
    return columns(rows) if len(rows) > 1 else ""


def _values(values: Mapping[str, str]) -> str:
    """0.280 [0.188, 0.373]; other numbers with their names."""
    shown = dict(values)
    if {"mean", "ci_low", "ci_high"} <= set(shown):
        shown = {"": f"{shown['mean']} [{shown['ci_low']}, {shown['ci_high']}]"}
    return ", ".join(f"{name} {value}".strip() for name, value in shown.items())


def _tables(subject: Subject, name: str) -> list[str]:
    return [p for p in subject.run.files if Path(p).stem == name and p.endswith(".csv")]


def _sha(subject: Subject, path: str) -> str | None:
    file = subject.run.files.get(path)
    return file.sha256 if file else subject.run.elsewhere(path)


def _parts(subject: Subject) -> str:
    count, recorded, remade, out = Counter(), Counter(), Counter(), Counter()
    for path, file in subject.run.files.items():
        part = path.split("/")[2] if path.startswith("results/") else "data"
        known = subject.record.artefacts.get(path)
        same = known is not None and known.sha256 == file.sha256
        count[part] += 1
        out[part] += path in subject.run.left_out
        recorded[part] += same and known.provenance == file.provenance
        remade[part] += same and known.provenance != file.provenance
    head = ("part", "artefacts", "as recorded", "same bytes, own provenance", "left out")
    rows = [(p, *map(str, (n, recorded[p], remade[p], out[p]))) for p, n in count.items()]
    return columns([head, *rows])


def _findings(found: Sequence[Finding]) -> str:
    ordered = sorted(found, key=lambda f: f.rank)
    rows = [(f.kind.upper(), f.path, f.why) for f in ordered[:SHOWN]]
    more = f"\n... and {len(found) - SHOWN} more: --json has all" if len(found) > SHOWN else ""
    return columns(rows) + more if rows else ""
