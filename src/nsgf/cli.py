"""The command line; each sub-command imports only what it runs."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nsgf import numerics
from nsgf.config.find import preset_file
from nsgf.errors import NsgfError
from nsgf.lifeline import die_with_parent
from nsgf.threads import set_threads

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)
LARGE = ("samples", "pools", "models")  # kinds of files that a crate can leave out
Setup = Callable[[argparse.ArgumentParser], None]


def _preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, help="a name in config/, or a YAML or JSON file")


def _part(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    _only(parser)


def _publish(parser: argparse.ArgumentParser) -> None:
    _part(parser)
    parser.add_argument(
        "--measured", action="store_true", help="keep what an unfinished run has measured"
    )


def _only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", help="a study of it, as table1, or some of its sets: table1/moons"
    )


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "preset", nargs="?", default="quick", help="a name in config/, or a file (default: quick)"
    )
    _only(parser)


def _make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", help="artefacts, by their paths from here")
    parser.add_argument("--job", help="all that a job of the preset makes")
    parser.add_argument(
        "--preset", help="a name in config/, or a YAML or JSON file (default: the path names it)"
    )


def _dag(parser: argparse.ArgumentParser) -> None:
    _preset(parser)
    parser.add_argument("--picture", type=Path, help="where to draw it, .svg, .png or .pdf")


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
        help="results/<preset> or a folder in results/published (default: results/quick)",
    )
    _only(parser)
    parser.add_argument("--commit", default="HEAD", help="what is trusted (default: HEAD)")
    parser.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="run N cheap jobs again, at random"
    )
    parser.add_argument("--seed", type=int, help="of that draw (default: not to be foreseen)")
    parser.add_argument(
        "--gate", action="store_true", help="only refuse files that must not be built upon"
    )
    parser.add_argument("--json", type=Path, help="where to write everything; - for the terminal")


def _plan(parser: argparse.ArgumentParser) -> None:
    _part(parser)
    parser.add_argument("--profile", help="of the run, such as slurm (default: this machine)")
    parser.add_argument("--cores", type=int, help="jobs at a time (default: all cores)")
    parser.add_argument("--gpu", help="kind of GPU, such as h100 (default: the reference's)")
    parser.add_argument("--json", dest="as_json", action="store_true", help="for machines")
    parser.add_argument("--check", action="store_true", help="hold the last run against it")
    parser.add_argument(
        "--fit", action="store_true", help="make the shipped figures anew from the last run"
    )


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="quick", help="a name in config/, or a file (default: quick)"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="lines, for machines")
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--wait", action="store_true", help="for a run to begin")


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="of the preset and of the data set")
    parser.add_argument(
        "--data", type=Path, required=True, help=".npy, .csv, .parquet, or a folder of PNGs"
    )
    parser.add_argument("--test", type=float, default=0.2, help="share held out (default: 0.2)")
    parser.add_argument(
        "--scale",
        default="auto",
        help="standardise each coordinate, or by one number, or none (default: auto)",
    )
    parser.add_argument(
        "--columns", type=lambda text: tuple(text.split(",")), default=(), help="of a table: a,b,c"
    )
    parser.add_argument("--force", action="store_true", help="replace a preset of that name")


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("sinkhorn", "sliced", "schemes", "accuracy", "random", "train", "power"),
        help="what to measure",
    )
    parser.add_argument("--json", type=Path, help="where to write the rows")
    parser.add_argument("--plot", type=Path, help="where to draw, .png or .pdf (sinkhorn, schemes)")
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
COMMANDS: dict[str, tuple[str, str, Setup]] = {
    "make": ("nsgf.ops.make", "make artefacts by their paths, or what a job makes", _make),
    "plan": ("nsgf.ops.plan.run", "forecast what a preset takes, or check a forecast", _plan),
    "watch": ("nsgf.ops.watch.run", "show the jobs of a run until it ends", _watch),
    "audit": ("nsgf.ops.audit.run", "check every number back to its bytes and command", _audit),
    "dag": ("nsgf.ops.dag", "show the stages of a preset, with counts, or draw them", _dag),
    "check": ("nsgf.ops.dag", "validate a preset and count its jobs", _preset),
    "check-dataset": (
        "nsgf.ops.check_dataset",
        "validate a data set that you have added",
        _check_dataset,
    ),
    "timeline": (
        "nsgf.ops.timeline",
        "when each job of a run ran, and what trainings cost",
        _preset,
    ),
    "publish": ("nsgf.ops.publish", "copy small results to results/published", _publish),
    "restore": ("nsgf.ops.restore", "go on from what is published, without what it took", _part),
    "crate": ("nsgf.ops.crate.run", "export a finished run as an RO-Crate", _crate),
    "badge": ("nsgf.ops.badge", "write the page that reviewers of an artefact ask for", _preset),
    "bench": ("nsgf.ops.bench.run", "measure ours and others side by side", _bench),
    "report": ("nsgf.ops.page.run", "write the report of a finished run as one page", _named),
    "show": ("nsgf.ops.show", "show the verdicts and tables of a run", _named),
    "new": ("nsgf.ops.new.run", "write a preset for points of your own", _new),
    "schema": ("nsgf.ops.schema", "write the JSON schema of presets", _schema),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nsgf", description="Neural Sinkhorn Gradient Flow, from data to verdicts."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text, add_arguments) in COMMANDS.items():
        add_arguments(commands.add_parser(name, help=text, description=text))
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit code.

    Mistakes that a user can mend are one message on standard error and exit code 1.
    """
    arguments = vars(_parser().parse_args(words))
    command = arguments.pop("command")
    # A job whose Snakemake was killed must not write on beside its successor.
    die_with_parent()
    if command not in ("bench", "make"):  # which know what they want
        set_threads(1)
        numerics.apply(numerics.best())
    try:
        if arguments.get("preset"):
            arguments["preset"] = preset_file(arguments["preset"])
        importlib.import_module(COMMANDS[command][0]).run(**arguments)
    except NsgfError as error:
        print(f"nsgf: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who read our lines wants no more of them, such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor what is buffered
        return 1
    except OSError as error:
        if error.errno not in (*FULL, *REFUSED):
            raise
        print(f"nsgf: {_storage_message(command, error)}", file=sys.stderr)
        return 1
    return 0


def _storage_message(stage: str, error: OSError) -> NsgfError:
    where = f" '{error.filename}'" if error.filename else ""
    full = error.errno in FULL
    return NsgfError(
        f"{stage} cannot read or write{where}: {error.strerror}",
        "free some space, then run the same command again: it resumes"
        if full
        else "check that the path exists and is yours, then run the same command again",
    )


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if wrong := sorted(set(kinds) - set(LARGE)):
        known = ", ".join(LARGE)
        raise argparse.ArgumentTypeError(f"'{wrong[0]}' is none of {known}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
