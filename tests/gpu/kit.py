"""`tests/gpu/run.sh`: all that a GPU is wanted for, in the minutes that there are.

Each piece is a process with a limit of its own, so that one that crashes or hangs costs only
itself. What it finds it appends to a file, line by line; the report is written anew, whole or not
at all, when a piece ends. Only the standard library is imported here.
"""

import argparse
import contextlib
import importlib.util
import json
import lzma
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKED, WHEELS = ROOT / "data/packed", ROOT / "wheels"
USUAL = 5  # minutes, to which limits belong
RESERVE, LEAST = 3, 6  # seconds: for the end, and below which no piece is begun


@dataclass(frozen=True)
class Piece:
    """Something to find out.

    Attributes:
        command: arguments of Python.
        seconds: its limit in a run of five minutes; in longer ones as much longer.
        beside: the next piece does not wait for it.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    beside: bool = False


def function(name: str, seconds: float, module: str = "pieces", **about) -> Piece:
    run = f"from tests.gpu.{module} import {name}; {name}()"
    return Piece(name.replace("_", "-"), ("-c", run), seconds, **about)


def tests(name: str, seconds: float) -> Piece:
    command = ("-m", "pytest", "-v", "-s", f"tests/gpu/test_{name}.py")
    return Piece(f"test-{name}", command, seconds)


PIECES = (  # what matters most comes first
    function("machine", 40),
    function("kernels", 150, beside=True),  # of the CPU, which all but `rates` need
    function("rates", 70),
    tests("numbers", 40),
    tests("solver", 60),
    tests("training", 60),
    function("bench", 45),
    function("pools", 40, "learning"),
    function("compiled_rates", 50),
    function("learn", float("inf"), "learning"),
)


class Running:
    """A piece that has been started.

    Args:
        job: device, scale, data and work, as all pieces are told; rows lie in the last.
        limit: seconds. log: open file that gets what it prints.
    """

    def __init__(self, piece: Piece, job: dict, limit: float, log):
        self.piece, self._limit, self._began = piece, limit, time.time()
        self._rows = Path(job["work"]) / f"{piece.name}.jsonl"
        self._rows.unlink(missing_ok=True)
        told = job | {"rows": str(self._rows), "ends": self._began + limit}
        log.write(f"\n== {piece.name}, at most {limit:.0f} s\n")
        log.flush()
        self._process = subprocess.Popen(
            [sys.executable, *piece.command],
            cwd=ROOT,
            env=os.environ | {"NSGF_GPU_JOB": json.dumps(told)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def result(self) -> dict:
        """Wait for its end or its limit: name, status, seconds and the rows it has found."""
        status, why = "ok", {}
        try:
            code = self._process.wait(max(0, self._began + self._limit - time.time()))
            if code:
                status, why = "failed", {"why": f"exit code {code}; its last words are in the log"}
        except subprocess.TimeoutExpired:
            status, why = "timeout", {"why": f"ended after {self._limit:.0f} s"}
        finally:
            self.end()
        about = {"name": self.piece.name, "status": status, **why}
        return about | {"seconds": round(time.time() - self._began, 2), "rows": self._found()}

    def end(self) -> None:
        """Kill it with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a driver may not let go of it
            self._process.wait(5)

    def _found(self) -> list[dict]:
        lines = self._rows.read_text().splitlines() if self._rows.exists() else []
        rows = []
        for line in lines:
            with contextlib.suppress(ValueError):  # a kill leaves half a line
                rows.append(json.loads(line))
        return rows


def run(pieces: Sequence[Piece], job: dict, minutes: float, out: Path) -> dict:
    """Run pieces in order till the minutes are over; returns the report, which is in `out`."""
    ends, stretch = time.time() + 60 * minutes - RESERVE, max(1, minutes / USUAL)
    report = {"began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "minutes": minutes}
    report |= {"device": job["device"], "scale": job["scale"], "pieces": []}
    held: list[Running] = []

    def note(found: dict) -> None:
        report["pieces"].append(found)
        written = out / "report.json.new"
        written.write_text(json.dumps(report, indent=1) + "\n")
        written.replace(out / "report.json")
        print(f"{found['name']}: {found['status']}, {found.get('seconds', 0)} s", flush=True)

    with (out / "log.txt").open("w") as log:
        try:
            for piece in pieces:
                limit = min(piece.seconds * stretch, ends - time.time())
                if limit < LEAST:
                    note({"name": piece.name, "status": "skipped", "why": "no time left"})
                    continue
                held.append(Running(piece, job, limit, log))
                while held and not piece.beside:
                    note(held[-1].result())
                    held.pop()
            while held:
                note(held[-1].result())
                held.pop()
        finally:
            for one in held:
                one.end()
    return report


def missing_wheels() -> list[Path]:
    """Those of the wheels here whose package this Python cannot import."""
    found = []
    for wheel in sorted(WHEELS.glob("*.whl")):
        tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        names = {t.split(".")[0] for t in tops if not t.endswith((".dist-info", ".data", ".libs"))}
        if any(importlib.util.find_spec(name) is None for name in names):
            found.append(wheel)
    return found


def install(wheels: Sequence[Path], site: Path) -> None:
    """Put wheels into a folder of this run's own, and nothing that they ask for."""
    words = ["--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *words, "--target", str(site)]
    result = subprocess.run([*command, *map(str, wheels)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"nsgf: the kit's wheels do not fit this Python: {result.stderr.strip()[-400:]}")


def unpack(data: Path) -> None:
    """Image sets as `tests.gpu.pack` packed them, to .npy files."""
    import numpy as np

    for packed in sorted(PACKED.glob("*/*.npy.xz")):
        target = data / packed.parent.name / packed.stem
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with lzma.open(packed) as file:
            array = np.lib.format.read_array(file)
        if array.shape[1:2] == (3,):  # differences of neighbours
            array = array.cumsum(-1, dtype=np.uint8).cumsum(-2, dtype=np.uint8)
        with target.with_suffix(".new").open("wb") as file:
            np.save(file, array)
        target.with_suffix(".new").replace(target)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/gpu/run.sh")
    parser.add_argument("--minutes", type=float, default=USUAL, help="after which it ends")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of sizes, 1 for the paper's")
    parser.add_argument("--out", type=Path, default=Path("gpu-out"))
    parser.add_argument("--data", type=Path, help="image sets (default: the kit's)")
    parser.add_argument("--only", nargs="+", choices=[p.name for p in PIECES], metavar="PIECE")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 1 where a piece failed or was cut off."""
    asked, began = arguments(words), time.time()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no piece outlives this process
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nsgf-gpu-") as work:
        if wheels := missing_wheels():
            install(wheels, Path(work) / "site")
            os.environ["PYTHONPATH"] += f"{os.pathsep}{work}/site"
            print(f"taken from the kit: {', '.join(w.name.split('-')[0] for w in wheels)}")
        data = asked.data or ROOT / "data/processed"
        if PACKED.exists() and not asked.data:
            data = Path(work) / "data"
            unpack(data)
        job = {"device": asked.device, "scale": asked.scale, "data": str(data.resolve())}
        job |= {"work": work, "out": str(out)}
        pieces = [piece for piece in PIECES if not asked.only or piece.name in asked.only]
        report = run(pieces, job, asked.minutes - (time.time() - began) / 60, out)
    print(f"report: {out / 'report.json'}")
    return int(any(piece["status"] in ("failed", "timeout") for piece in report["pieces"]))


if __name__ == "__main__":
    sys.exit(main())
