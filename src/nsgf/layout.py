"""Where a preset's files lie. The only home of the results layout.

results/<preset>/config/preset.json              the preset that the run has read
results/<preset>/config/preset-<part>.json       that of a part
results/<preset>/config/restored.json            that what lies behind published files is not here
results/<preset>/pools/<dataset>/<pool>/seed<s>/shard<k>/
results/<preset>/models/<dataset>/<network>/seed<s>.safetensors
results/<preset>/samples/<dataset>/<cell>/seed<s>-<k>.npy
results/<preset>/samples/<dataset>/<cell>/seed<s>-<k>.{part<j>,features<j>}.*   of a shard, for a
                                                 while; only their provenance stays
results/<preset>/samples/<dataset>/reference/    what samples are compared with, and floors
results/<preset>/metrics/<dataset>/<cell>.json   of all sets of samples of a cell
results/<preset>/metrics/<dataset>/targets.json  errors of the training targets
results/<preset>/metrics/<dataset>/probe.json    of velocities from minibatches and few sweeps
results/<preset>/timings/<job>.tsv               and what rests on times: claims, timeline
results/<preset>/{tables,figures}/

A cell is its row's name and what varies, such as `nsgf,flow.blur=0.1`; pools and networks carry
what varies of theirs. Templates hold {seed}, {shard} and {sample}; `format(**unit)` fills them.
"""

from dataclasses import dataclass

DATA = "data/processed"
INCEPTION = f"{DATA}/inception.json"
PAPERS = "config/published"  # printed numbers, a file a paper
PUBLICATIONS = "results/published"  # committed copies of small results
# Behind a study's name: tables beside its own, which rest on the same numbers, or on probes.
BESIDES = ("print", "paired", "probe")
# What follows a set of samples' name where several jobs share it.
PART, FEATURES = ".part{shard}", ".features{shard}.npz"


def manifest_path(publication: str) -> str:
    """What is committed of a published run, with digests of all its artefacts."""
    return f"{PUBLICATIONS}/{publication}/MANIFEST.json"


def paper_file(paper: str) -> str:
    """The printed numbers of a paper."""
    return f"{PAPERS}/{paper}.yaml"


def folder_of(path: str) -> str:
    """What all seeds of a pool, network, set or table of metrics share: their folder or name."""
    return path.split("/")[4].removesuffix(".json")


def is_beside(table: str) -> bool:
    """Whether a table, by its name, is one beside a study's own."""
    return table.rpartition("-")[2] in BESIDES


@dataclass(frozen=True)
class Layout:
    """Paths of one preset."""

    root: str

    @property
    def preset(self) -> str:
        """The preset that the run has read."""
        return self.snapshot()

    def snapshot(self, part: str = "") -> str:
        """The preset that the run of it, or of a part of it, has read."""
        return f"{self.root}/config/{'-'.join(filter(None, ('preset', part)))}.json"

    @property
    def restored(self) -> str:
        """There where `nsgf restore` has put published files."""
        return f"{self.root}/config/restored.json"

    def path(self, *parts: str) -> str:
        """A path or template below the results."""
        return "/".join([self.root, *parts])

    def timing(self, job: str) -> str:
        """Benchmark file of a job."""
        return f"{self.root}/timings/{job}.tsv"

    def seconds(self, artefact: str) -> str:
        """How long it took to make an artefact."""
        name = artefact.removeprefix(f"{self.root}/").replace("/", "-")
        return f"{self.root}/timings/made/{name}.json"

    def table(self, study: str, ending: str = "csv") -> str:
        """A study's table; `targets` is the one on training targets, `<study>-print` on print,
        `<study>-paired` and `<study>-probe` of its pairs and its probe."""
        return f"{self.root}/tables/{study}.{ending}"

    def claims(self, ending: str = "csv") -> str:
        """The claims; beside the timings, because two of them are about time."""
        return f"{self.root}/timings/claims.{ending}"

    def figure(self, name: str, ending: str) -> str:
        """A figure."""
        return f"{self.root}/figures/{name}.{ending}"
