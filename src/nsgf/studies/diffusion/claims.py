"""Claims 1 to 4 of the SW-JKO paper: accuracy, cost, dimension, and the Wasserstein flow."""

from collections.abc import Mapping, Sequence

import pandas as pd

from nsgf.artifact import read_json
from nsgf.config.published import Published
from nsgf.registry import DATASETS
from nsgf.report.finding import INCONCLUSIVE, Finding, at_scale, finding
from nsgf.report.paired import Paired, by_seed, paired
from nsgf.report.verdict import claim

OURS, OTHER = "sw-jko", "jko-icnn"
TIMED = "log10_symkl_t"
NEAR = 0.15  # log10: as much as the print is held to; a decision of ours
RELATED = -1.0  # log10 of nats, to which two flows at the same time are one; a decision of ours
MORE = 5.0  # times the seconds a step, which is far more; a decision of ours


def judge(
    table: pd.DataFrame, given: Mapping, reduced: bool, published: Published
) -> list[Finding]:
    """Findings on the claims that a study has numbers for.

    Args:
        table: of the study. given: the files of `inputs`, read as lists of paths.
        reduced: whether the run is at a smaller scale than the paper's.
        published: the paper's claims in its words.
    """
    read: dict[str, dict[tuple[str, str], list]] = {}
    for key, files in given.items():
        what, dataset, name = key.split(" ")
        read.setdefault(what, {})[dataset, name] = [read_json(file) for file in files]
    bodies = {key: body for key, (body,) in read.get("metrics", {}).items()}
    both = [d for d, name in bodies if name == OURS and (d, OTHER) in bodies]
    # Of one dimension nothing follows about how the flows part with it.
    several = len({d for d, _ in bodies}) > 1 and table["metric"].str.startswith(TIMED).any()
    found = [related(table, published)] if several else []
    if both and differences(bodies, both):
        found += [
            accuracy(bodies, both, published),
            cost(read["seconds"], read["provenance"], both, reduced, published),
            dimension(bodies, both, published),
        ]
    return found


def accuracy(bodies: Mapping, datasets: Sequence[str], published: Published) -> Finding:
    """Claim 1: no worse than JKO with convex networks on the way, by more than NEAR.

    Args:
        bodies: data set and row -> metrics of its cell as they are stored.
        datasets: those that both have.
    """
    compared = differences(bodies, datasets)
    if all(one.interval.high <= NEAR for one in compared.values()):
        verdict = "reproduced"
    else:
        worse = any(one.vote == "higher" and one.interval.low > NEAR for one in compared.values())
        verdict = "not_reproduced" if worse else INCONCLUSIVE
    return finding(1, published, verdict, _told(compared))


def dimension(bodies: Mapping, datasets: Sequence[str], published: Published) -> Finding:
    """Claim 3: in the largest dimension, at the last time, SW-JKO is the nearer one."""
    largest = max(datasets, key=lambda d: DATASETS[d].shape)
    compared = differences(bodies, [largest])
    last = max(compared, key=lambda place: place[1])
    only = {last: compared[last]}
    return finding(3, published, claim([compared[last].vote], "lower"), _told(only))


def differences(bodies: Mapping, datasets: Sequence[str]) -> dict[tuple[str, float], Paired]:
    """SW-JKO less JKO-ICNN by target, log10, by data set and time of the schemes' steps."""
    values: dict[tuple[str, float], list[float]] = {}
    for dataset in datasets:
        named = [row["metric"] for row in bodies[dataset, OURS]["sets"][0]["metrics"]]
        for metric in (name for name in named if name.startswith(TIMED)):
            one, other = (by_seed(bodies[dataset, name], metric) for name in (OURS, OTHER))
            if other:
                time = float(metric.removeprefix(TIMED))
                values[dataset, time] = [one[k] - other[k] for k in one if k in other]
    return dict(zip(values, paired(list(values.values())), strict=True))


def _told(compared: Mapping[tuple[str, float], Paired]) -> str:
    words: dict[str, list[str]] = {}
    for (dataset, time), one in compared.items():
        low, high = one.interval.low, one.interval.high
        said = f"t = {time:g} {one.interval.mean:+.2f} [{low:.2f}, {high:.2f}]"
        words.setdefault(DATASETS[dataset].label, []).append(said)
    head = (
        "log10 of SymKL to the equation, SW-JKO (at d t) less JKO-ICNN (at t), by target; t is the"
        " steps' time - "
    )
    return head + "; ".join(f"{d}: {', '.join(said)}" for d, said in words.items())


def cost(
    seconds: Mapping, provenance: Mapping, datasets: Sequence[str], reduced: bool, published
) -> Finding:
    """Claim 2: seconds a step of either scheme, on average over a training.

    Args:
        seconds, provenance: data set and row -> a body for each training.
    """
    resumed, ratios, words = False, [], []
    for dataset in datasets:
        each = []
        for name in (OURS, OTHER):
            about = [body["config"]["training"] for body in provenance[dataset, name]]
            steps = [a["iterations"] / a["options"]["inner"] for a in about]
            took = [body["seconds"] for body in seconds[dataset, name]]
            each.append(sum(took) / sum(steps))
            resumed |= any(b["facts"].get("resumed_at") for b in provenance[dataset, name])
        ratios.append(each[1] / each[0])
        words.append(f"{DATASETS[dataset].label}: {each[0]:.2g} s and {each[1]:.2g} s")
    holds = "reproduced" if min(ratios) >= MORE else "not_reproduced"
    evidence = f"a step of SW-JKO and of JKO-ICNN - {'; '.join(words)}{at_scale(reduced)}"
    return finding(2, published, INCONCLUSIVE if reduced or resumed else holds, evidence)


def related(table: pd.DataFrame, published: Published) -> Finding:
    """Claim 4: how near the scheme's exact steps at time t are to the Wasserstein flow at d t."""
    rows = table[(table["method"] == OURS) & table["metric"].str.startswith(TIMED)]
    words, votes = [], []
    for row in rows.dropna(subset="floor").to_dict("records"):
        time = row["metric"].removeprefix(TIMED)
        words.append(f"{DATASETS[row['dataset']].label}, t = {time}: {row['floor']:.2f}")
        votes.append("lower" if row["floor"] <= RELATED else "higher")
    evidence = (
        "log10 of SymKL between exact steps of the scheme at t and the Wasserstein flow at d t,"
        f" which tend to one for means and isotropic covariances alone - {'; '.join(words)}"
    )
    return finding(4, published, claim(votes, "lower"), evidence)
