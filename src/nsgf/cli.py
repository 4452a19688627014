"""The command line: one sub-command a stage; each imports only what it runs."""

import argparse
import errno
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nsgf.config.find import preset_file
from nsgf.errors import NsgfError
from nsgf.lifeline import die_with_parent
from nsgf.stages.unit import parse_unit

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)
LARGE = ("samples", "pools", "models")  # kinds of files that a crate can leave out
THREADED = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
Setup = Callable[[argparse.ArgumentParser], None]


def _units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="settings of the stage, JSON")
    parser.add_argument(
        "--unit",
        dest="units",
        action="append",
        type=_unit,
        required=True,
        help="dataset=NAME,seed=N[,sample=N|,shard=N]; repeat for more in one process",
    )
    parser.add_argument("--out", required=True, help="path template, e.g. a/{dataset}/seed{seed}")


def _config(parser: argparse.ArgumentParser) -> None:
    _units(parser)
    parser.add_argument("--data", type=Path, help="folder of the image sets")


def _preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, help="a name in config/, or a YAML or JSON file")


def _fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="a name in config/datasets.yaml")
    parser.add_argument("--registry", type=Path, help="the file that describes image sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the arrays")


def _inception(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="where to write the answer")


def _train(parser: argparse.ArgumentParser) -> None:
    _config(parser)
    parser.add_argument(
        "--pool", dest="pools", action="append", default=[], help="template of a shard; repeat"
    )


def _sample(parser: argparse.ArgumentParser) -> None:
    _config(parser)
    parser.add_argument(
        "--network",
        dest="networks",
        action="append",
        type=_pair,
        required=True,
        help="NAME=template of a network; repeat",
    )
    parser.add_argument("--nfe-from", help="template of the .json whose mean NFE is spent")
    parser.add_argument("--shards", type=_count, help="parts of a set, of which each unit is one")


def _gather(parser: argparse.ArgumentParser) -> None:
    _units(parser)
    parser.add_argument("--parts", required=True, help="template of the parts, with {shard}")
    parser.add_argument("--shards", type=_count, required=True, help="parts of a set")


def _classifier(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--classifier", help="template of the classifier")


def _reference(parser: argparse.ArgumentParser) -> None:
    _config(parser)
    _classifier(parser)


def _measured(parser: argparse.ArgumentParser) -> None:
    _classifier(parser)
    parser.add_argument("--samples", required=True, help="template of the samples")
    parser.add_argument("--reference", required=True, help="template of the reference")


def _features(parser: argparse.ArgumentParser) -> None:
    _units(parser)
    _measured(parser)
    parser.add_argument("--shards", type=_count, required=True, help="parts of a set")


def _evaluate(parser: argparse.ArgumentParser) -> None:
    _config(parser)
    _measured(parser)
    parser.add_argument("--features", help="template of features made before, with {shard}")
    parser.add_argument("--shards", type=_count, help="parts of these features")


def _table(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    parser.add_argument("--study", required=True, help="table1, table2 or table3")


def _figure(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    parser.add_argument("--figure", required=True, help="a figure of the preset")


def _crate(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    parser.add_argument("--out", type=Path, required=True, help="NAME.zip, or a new folder")
    parser.add_argument(
        "--without",
        type=_kinds,
        default=(),
        help="kinds of files to name, with digests, but not to hold: samples,pools,models",
    )
    parser.add_argument("--agent", help="name of the person who ran it, if it is to stand there")


def _check_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a data set of src/nsgf/registry.py")
    parser.add_argument("--registry", type=Path, help="the file that describes image sets")
    parser.add_argument(
        "--data", type=Path, default=Path("data/processed"), help="folder of the image sets"
    )


def _schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="where to write the JSON schema")


def _audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("results/quick"),
        help="results/<preset> or results/published/<preset> (default: results/quick)",
    )
    parser.add_argument("--commit", default="HEAD", help="what is trusted (default: HEAD)")
    parser.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="run N cheap jobs again, at random"
    )
    parser.add_argument("--seed", type=int, help="of that draw (default: not to be foreseen)")
    parser.add_argument(
        "--remade", action="store_true", help="accept the same bytes from a run of your own"
    )
    parser.add_argument(
        "--gate", action="store_true", help="only refuse files that must not be built upon"
    )
    parser.add_argument("--json", type=Path, help="where to write everything; - for the terminal")


def _plan(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    parser.add_argument("--profile", help="of the run, such as slurm (default: this machine)")
    parser.add_argument("--cores", type=int, help="jobs at a time (default: all cores)")
    parser.add_argument("--json", dest="as_json", action="store_true", help="for machines")
    parser.add_argument("--check", action="store_true", help="hold the last run against it")


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="quick", help="a name in config/, or a file (default: quick)"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="lines, for machines")
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--wait", action="store_true", help="for a run to begin")


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("sinkhorn",), help="what to measure")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--plot", type=Path, help="where to draw error against time, .png or .pdf")
    parser.add_argument("--threads", type=int, default=1, help="for every library (default: 1)")
    parser.add_argument("--cases", nargs="+", help="names of cases (default: all)")
    parser.add_argument(
        "--solvers", nargs="+", help="ours and GeomLoss beside these (default: all that can run)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data/processed"), help="folder of the image sets"
    )
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu")


# sub-command: (module, its one line of help, its arguments)
STAGES: dict[str, tuple[str, str, Setup]] = {
    "fetch": ("nsgf.stages.fetch", "fetch and verify an image set", _fetch),
    "fetch-inception": (
        "nsgf.stages.fetch_inception",
        "look for the Inception weights, or fetch them",
        _inception,
    ),
    "build-pool": ("nsgf.stages.build_pool", "store Sinkhorn-flow trajectories", _config),
    "train": ("nsgf.stages.train", "train networks", _train),
    "sample": ("nsgf.stages.sample", "draw samples, counting evaluations", _sample),
    "gather": ("nsgf.stages.gather", "join samples that parallel jobs drew", _gather),
    "reference": ("nsgf.stages.reference", "make what samples are compared with", _reference),
    "features": ("nsgf.stages.features", "compute the features of part of a set", _features),
    "evaluate": ("nsgf.stages.evaluate", "measure samples", _evaluate),
    "targets": ("nsgf.stages.targets", "measure a solver's training targets", _config),
    "table": ("nsgf.stages.table", "a study's table beside the published one", _table),
    "targets-table": (
        "nsgf.stages.targets_table",
        "how wrong the targets were, and what that changed",
        _preset,
    ),
    "figure": ("nsgf.stages.figure", "a figure in the paper's arrangement", _figure),
    "claims": ("nsgf.stages.claims", "judge the paper's claims", _preset),
    "audit": ("nsgf.audit.run", "check every number back to its bytes and command", _audit),
    "timeline": ("nsgf.stages.timeline", "when each job of a run ran", _preset),
    "publish": ("nsgf.stages.publish", "copy small results to results/published", _preset),
    "plan": ("nsgf.plan.run", "forecast what a preset takes, or check a forecast", _plan),
    "watch": ("nsgf.watch.run", "show the jobs of a run until it ends", _watch),
    "crate": ("nsgf.stages.crate", "export a finished run as an RO-Crate", _crate),
    "check-dataset": (
        "nsgf.stages.check_dataset",
        "validate a data set that you have added",
        _check_dataset,
    ),
    "bench": ("nsgf.bench.run", "measure solvers side by side", _bench),
    "check": ("nsgf.stages.check", "validate a preset and count its jobs", _preset),
    "schema": ("nsgf.stages.schema", "write the JSON schema of presets", _schema),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nsgf", description="Neural Sinkhorn Gradient Flow, stage by stage."
    )
    commands = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, (_, text, add_arguments) in STAGES.items():
        add_arguments(commands.add_parser(name, help=text, description=text))
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit code.

    Mistakes that a user can mend are one message on standard error and exit code 1.
    """
    arguments = vars(_parser().parse_args(words))
    stage = arguments.pop("stage")
    if "networks" in arguments:
        arguments["networks"] = dict(arguments["networks"])
    # A job whose Snakemake was killed must not write on beside its successor.
    die_with_parent()
    if stage != "bench":
        _set_threads(arguments.get("config"))
    try:
        if "preset" in arguments:
            arguments["preset"] = preset_file(arguments["preset"])
        importlib.import_module(STAGES[stage][0]).run(**arguments)
    except NsgfError as error:
        print(f"nsgf: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (*FULL, *REFUSED):
            raise
        print(f"nsgf: {_storage_message(stage, error)}", file=sys.stderr)
        return 1
    return 0


def _set_threads(config: Path | None) -> None:
    """Give libraries the threads that the settings name, as Snakemake does for its jobs.

    Sums over other threads have other bytes, and libraries take all cores where they are not told;
    they read the environment when they are loaded, which is later than this.
    """
    try:
        threads = json.loads(config.read_text())["compute"]["threads"] if config else 1
    except (OSError, ValueError, KeyError, TypeError):
        threads = 1  # the stage says what is wrong with its settings
    os.environ |= {f"{name}_NUM_THREADS": str(threads) for name in THREADED}


def _storage_message(stage: str, error: OSError) -> NsgfError:
    where = f" '{error.filename}'" if error.filename else ""
    full = error.errno in FULL
    return NsgfError(
        f"{stage} cannot read or write{where}: {error.strerror}",
        "free some space, then run the same command again: it resumes"
        if full
        else "check that the path exists and is yours, then run the same command again",
    )


def _unit(text: str) -> dict:
    try:
        return parse_unit(text)
    except NsgfError as error:
        raise argparse.ArgumentTypeError(error.what) from error


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a count of 1 or more")
    return int(text)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if wrong := sorted(set(kinds) - set(LARGE)):
        known = ", ".join(LARGE)
        raise argparse.ArgumentTypeError(f"'{wrong[0]}' is none of {known}")
    return kinds


def _pair(text: str) -> tuple[str, str]:
    name, sign, path = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PATH")
    return name, path


if __name__ == "__main__":
    sys.exit(main())
