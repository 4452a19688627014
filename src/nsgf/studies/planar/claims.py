"""Claims 1 and 2 of the NSGF paper, on point clouds: lowest W2, and early motion."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nsgf.artifact import read_json, read_npz
from nsgf.config.published import Published
from nsgf.metrics.interval import student_t
from nsgf.registry import METHODS
from nsgf.report.finding import INCONCLUSIVE, Finding, finding, not_run
from nsgf.report.paired import by_seed, paired
from nsgf.report.verdict import claim, separated

FEW = 10  # evaluations a sample of which claim 1 speaks
ODE_METHODS = ("fm", "ot_cfm", "si", "2-rf", "3-rf")
FLOW_METHODS = ("jko-flow", "ept")
METRICS = ("sw2_debiased", "w2")  # the first that was measured decides
VOTES = {"lower": "lower", "higher": "higher", "inconclusive": "not told apart"}
WORDS = {"sw2_debiased": "debiased sliced W2^2", "w2": "exact W2"}


def judge(
    table: pd.DataFrame, given: Mapping, reduced: bool, published: Published
) -> list[Finding]:
    """Findings on both claims.

    Args:
        table: of the study. given: the files of `inputs`, read as lists of paths.
        reduced: whether the run is at a smaller scale than the paper's.
        published: the paper's claims in its words.
    """
    shares: dict[str, dict[str, list[float]]] = {}
    bodies: dict[str, dict[str, Mapping]] = {}
    for key, files in given.items():
        what, dataset, name = key.split(" ")
        if what == "paths":
            moved = [first_half_share(read_npz(file, "path")) for file in files]
            shares.setdefault(dataset, {})[name] = moved
        else:
            bodies.setdefault(dataset, {})[name] = read_json(files[0])
    return [lowest_w2(bodies, published), early_motion(shares, published)]


def lowest_w2(bodies: Mapping[str, Mapping[str, Mapping]], published: Published) -> Finding:
    """Claim 1: NSGF against every method that was run, by paired differences at FEW evaluations.

    Args:
        bodies: data set -> method -> metrics of its cell as they are stored.
    """
    rivals = (*FLOW_METHODS, *ODE_METHODS)
    few = {
        dataset: {m: b for m, b in methods.items() if b["parameters"]["nfe"] == FEW}
        for dataset, methods in bodies.items()
    }
    few = {dataset: methods for dataset, methods in few.items() if "nsgf" in methods}
    every = [body for methods in few.values() for body in methods.values()]
    metric = next((m for m in METRICS if all(by_seed(b, m) for b in every)), METRICS[-1])
    places = [(d, m) for d, methods in few.items() for m in rivals if m in methods]
    differences = []
    for dataset, method in places:
        own, other = (by_seed(few[dataset][m], metric) for m in ("nsgf", method))
        differences.append([own[seed] - other[seed] for seed in own if seed in other])
    compared = paired(differences)
    missing = [m for m in FLOW_METHODS if m not in {method for _, method in places}]
    found = claim([one.vote for one in compared], "lower")
    if missing and found == "reproduced":
        found = INCONCLUSIVE
    return finding(1, published, found, _words(metric, places, compared, missing, published))


def _words(metric: str, places: Sequence, compared: Sequence, missing, published) -> str:
    """The evidence for claim 1."""
    labels = {name: method.label for name, method in METHODS.items()}
    said: dict[str, list[str]] = {}
    for (dataset, method), one in zip(places, compared, strict=True):
        mean, half = one.interval.mean, (one.interval.high - one.interval.low) / 2
        what = f"{labels[method]} {mean:+.2g} ± {half:.1g} ({VOTES[one.vote]}, p {one.p:.2g})"
        said.setdefault(dataset, []).append(what)
    head = (
        f"{WORDS[metric]} at {FEW} steps, NSGF less the other, paired by training seed; ± of each"
        f" alone, p adjusted for {len(compared)} comparisons (Holm)"
    )
    tail = f"not run: {', '.join(published.methods[m] for m in missing)}" if missing else ""
    parts = [f"{dataset}: {', '.join(words)}" for dataset, words in said.items()]
    return "; ".join(filter(None, [f"{head} - {parts[0]}" if parts else "", *parts[1:], tail]))


def early_motion(
    shares: Mapping[str, Mapping[str, Sequence[float]]], published: Published
) -> Finding:
    """Claim 2: share of the path length covered in the first half of the steps, NSGF against FM.

    Args:
        shares: data set -> method -> one share a training seed.
    """
    votes, words = [], []
    for dataset, methods in shares.items():
        if {"nsgf", "fm"} <= set(methods):
            nsgf, fm = student_t(methods["nsgf"]), student_t(methods["fm"])
            votes.append(separated(nsgf, fm))
            words.append(f"{dataset}: NSGF {nsgf.mean:.2f}, FM {fm.mean:.2f}")
    if not votes:
        return not_run(2, published)
    evidence = "share of the path covered in the first half of the steps - " + "; ".join(words)
    return finding(2, published, claim(votes, "higher"), evidence)


def first_half_share(path: np.ndarray) -> float:
    """Length of the first half of the steps over the whole length; path is (steps + 1, m, d)."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=-1).mean(1)
    return float(lengths[: len(lengths) // 2].sum() / lengths.sum())
