"""A small checkout in a temporary folder, and presets shrunk to what a test can run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import psutil
import yaml

from nsgf.ops.plan.calibrate import kept
from nsgf.ops.plan.reference import reference
from nsgf.registry import NETWORKS, module_of
from tests import warm

ROOT = Path(__file__).parents[2]
PATIENCE = 1800  # seconds after which a run counts as hung, on a machine that others load too
TINY_WIDTHS = {
    "mlp": {"width": 8},
    "potential_mlp": {"width": 8},
    "unet": {"channels": 32, "depth": 1},  # group norm wants 32; levels and attention stay
    "phase_cnn": {"channels": [4, 4, 4, 4]},
    "classifier": {},
}
TINY_OPTIONS = {"pairs": 16, "particles": 16, "steps": 2}  # of learners that have these
FEWER = {10: 1, 100: 2}  # moves of a method that trains each
TINY_METRICS = {
    "planar": {"n_test": 48, "floor_draws": 1},
    "images": {
        "n_test": 48,
        "n_floor": 16,
        "kid_subsets": 2,
        "kid_subset_size": 8,
        "neighbours": 4,
    },
}


def preset(name: str) -> dict:
    """A committed preset, to be changed; what YAML shares between its parts is not shared here."""
    return json.loads(json.dumps(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())))


def shrink(whole: dict, iterations: int = 2, samples: int = 8) -> dict:
    """The same DAG with tiny networks, pools and sample counts, of the studies that have pools.

    Those of the second paper have tests of their own (tests/trials).
    """
    kept = {name: study for name, study in whole["studies"].items() if "pool" in study}
    figures = {n: f for n, f in whole["figures"].items() if f.get("study") in {None, *kept}}
    whole = whole | {"title": "Reduced run (test)", "reduced": ["A test."]}
    whole |= {"studies": kept, "figures": figures}
    for study in whole["studies"].values():
        study |= {"train_seeds": min(2, study["train_seeds"]), "sample_seeds": 2}
        for case in study["methods"].values():
            for each in case if isinstance(case, list) else [case]:
                each |= {"flow.scaling": 0.5} if "flow.scaling" in each else {}
                for large in ("pool.batches", "pool.batch_size", "sampling.n_samples"):
                    each.pop(large, None)
                moves = [key for key in each if key.endswith("options.steps")]
                each |= {key: FEWER[each[key]] for key in moves}
        study["pool"] |= {
            "batch_size": 16,
            "batches": 2,
            "shards": min(2, study["pool"].get("shards", 1)),
        }
        for name, training in study["networks"].items():
            module, _, own = NETWORKS[name].options.rpartition(".")
            if module:
                known = getattr(module_of(module), own).model_fields
                training["options"] = {k: v for k, v in TINY_OPTIONS.items() if k in known}
            training |= {
                "net": training["net"] | TINY_WIDTHS[training["net"]["kind"]],
                "iterations": iterations,
                "batch_size": 8,
                "warmup": 0,
            }
        study["sampling"] |= {
            # An Inception score takes ten.
            "n_samples": max(samples, 10) if study["kind"] == "images" else samples,
            "batch_size": 4,
            "path_samples": 4,
            "omega": 0.25,
        }
        study.pop("shards", None)  # a few samples are one batch
        if study.get("targets"):
            study["targets"] |= {"problems": 2, "scalings": [0.5, 0.8]}
        study["metrics"] |= TINY_METRICS[study["kind"]]
        if study["metrics"].get("blocks", 1) > 1:
            study["metrics"] |= {"blocks": 2, "n_test": samples // 2}
    return whole


def planar(name: str, methods: Sequence[str], size: dict | None = None, **changes) -> dict:
    """Quick's 2-D study alone, on moons, without figures and targets.

    Args:
        name: of the preset.
        methods: those of quick's that stay.
        size: arguments of `shrink`.
        changes: to the study.
    """
    whole = shrink(preset("quick") | {"name": name, "figures": {}}, **size or {})
    study = whole["studies"]["table1"]
    study |= {"datasets": ["moons"], "targets": None}
    study["methods"] = {method: study["methods"][method] for method in methods}
    return whole | {"studies": {"table1": study | changes}}


def both_kinds(name: str, samples: int) -> dict:
    """Quick's DAG on moons and MNIST: every kind of artefact, as small as it goes."""
    whole = shrink(preset("quick") | {"name": name}, samples=samples)
    points, images = whole["studies"]["table1"], whole["studies"]["table3"]
    points["datasets"] = ["moons"]
    points["methods"] = {m: points["methods"][m] for m in ("nsgf", "nsgf-geomloss", "fm")}
    images["train_seeds"], images["metrics"]["features"] = 1, ["classifier"]
    for figure in ("figure3", "figure4"):
        whole["figures"][figure] |= {"datasets": ["moons"], "methods": ["nsgf", "fm"]}
    whole["figures"]["targets"]["datasets"] = ["moons", "mnist"]
    return whole


class Checkout:
    """A folder with the workflow, a preset, and its own state.

    Args:
        folder: where it is to lie.
        whole: the preset.
        quickly: whether its jobs are forks of a process that has their libraries (tests/warm.py).
    """

    def __init__(self, folder: Path, whole: dict, quickly: bool = False):
        self.folder, self.name = folder, whole["name"]
        self.scripts = warm.scripts() if quickly else Path(sys.executable).parent
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("Snakefile", "workflow", "profiles", "environment.yml"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "config", folder / "config")
        (folder / f"config/{self.name}.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        self.environment = self._environment()
        self.tell_speed()

    def tell_speed(self) -> None:
        """It has timed this machine, and found the reference's: that takes seconds each time."""
        (self.folder / "state").mkdir(exist_ok=True)
        times = {name: block["seconds"] for name, block in reference()["blocks"].items()}
        self.timed = self.folder / "state" / kept().name
        self.timed.write_text(json.dumps(times))

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "NSGF_STATE": str(self.folder / "state"),
            "OMP_NUM_THREADS": "1",
            "PATH": f"{self.scripts}:{os.environ['PATH']}",
        }

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.name

    def command(self, *words: str) -> list[str]:
        """`make reproduce` without the set-up."""
        driver = str((self.folder / "workflow/reproduce.py").resolve())
        return [str(self.scripts / "python"), driver, "--preset", self.name, "--cores", "2", *words]

    def reproduce(self, *words: str) -> subprocess.CompletedProcess:
        """Run to the end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=PATIENCE,
        )

    def nsgf(self, *words: str) -> subprocess.CompletedProcess:
        """One stage by hand."""
        return subprocess.run(
            [self.scripts / "nsgf", *words],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
        )

    def start(self, *words: str) -> subprocess.Popen:
        """Run in the background, in a process group of its own that listens to Ctrl-C.

        A background shell hands its children a SIGINT that is ignored; a terminal does not.
        """
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def jobs(self, kind: str = "") -> list[psutil.Process]:
        """Live `nsgf` processes of this checkout; `kind` is that of their jobs, such as train."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = process.info["cmdline"] or []
            if process.info["cwd"] == str(self.folder) and any(
                Path(w).name == "nsgf" for w in words[:3]
            ):
                found += [process] if f"-{kind}" in f"-{job_of(words)}-" else []
        return found

    def state(self, pattern: str) -> list[Path]:
        """Files in the state folder."""
        return list((self.folder / "state").glob(pattern))

    def tables(self) -> dict[str, bytes]:
        """Every table, by name."""
        return {p.name: p.read_bytes() for p in sorted((self.results / "tables").glob("*.csv"))}

    def artefacts(self, provenance: bool = True) -> dict[str, bytes]:
        """Everything but times, by path below the results.

        Args:
            provenance: it too, which tells of resuming, of the machine and of the commit.
        """
        files = [p for p in self.results.rglob("*") if p.is_file()]
        files = [p for p in files if provenance or not p.name.endswith(".prov.json")]
        named = {str(p.relative_to(self.results)): p for p in files}
        skipped = ("timings/", "report.html", "technical.html")
        return {n: p.read_bytes() for n, p in named.items() if not n.startswith(skipped)}

    def provenance(self, path: Path) -> dict:
        """The sidecar of an artefact."""
        return json.loads(Path(f"{path}.prov.json").read_text())


def job_of(words: Sequence[str]) -> str:
    """The job that a command does, by its name; "" if it does none."""
    return next((job for word, job in pairwise(words) if word == "--job"), "")


def wait_for(condition: Callable[[], object], seconds: float = 120, every: float = 0.05):
    """Poll until `condition` is true, `every` so many seconds; fail after a while."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every)
    return found
