"""The metadata of a crate: the workflow, its run, each job, and every file with its digest.

Shape of the Provenance Run Crate profile: the Snakefile is the workflow, each job one of its steps,
each stage's module the tool of those steps. A CreateAction tells of the whole run, one more of each
job; a ControlAction ties a job to its step, and an OrganizeAction ties them to Snakemake.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from nsgf.artifact import SIDECAR
from nsgf.engine.code import stage_module
from nsgf.engine.task import Job
from nsgf.ops.crate import terms
from nsgf.ops.crate.finished import DATASETS, Finished, papers
from nsgf.ops.timing import timing

WORKFLOW, README, CITATION = "Snakefile", "README.md", "CITATION.cff"
UNDATED = 315532800.0  # 1980, of a run whose jobs left no benchmark files
RUN, ENGINE, AGENT = "#run", "#snakemake", "#agent"


def describe(run: Finished, agent: str | None = None) -> dict:
    """The content of ro-crate-metadata.json; the same run gives the same content.

    Args:
        run: what is exported.
        agent: name of the person who ran it, if it is to stand there.
    """
    return _Description(run, agent).whole()


class _Description:
    """A crate while it is being described; entities refer to each other by their @id."""

    def __init__(self, run: Finished, agent: str | None):
        self._run, self._crate = run, ROCrate(version=terms.RO_CRATE)
        self._times = {job.name: timing(run.preset.name, job.name) for job in run.jobs}
        self._about = yaml.safe_load(Path(CITATION).read_text())
        self._agent = agent and self._add(AGENT, "Person", name=agent)
        self._tools = {_module_file(job.stage): job.stage for job in run.jobs}
        self._reported = [p for j in run.jobs if j.reported for p in j.artefacts]
        self._inputs = [run.layout.preset, *papers(run.preset), DATASETS]

    def whole(self) -> dict:
        self._workflow()
        for path, sha256 in self._run.files.items():
            if path != WORKFLOW:
                self._file(path, sha256)
        for path, sha256 in self._run.left_out.items():
            self._left_out(path, sha256)
        for path in (*self._inputs, *self._reported):
            self._parameter(path)
        for place, job in enumerate(self._run.jobs, start=1):
            self._job(place, job)
        self._run_action()
        self._engine()
        self._root()
        self._crate.metadata.extra_terms.update(terms.EXTRA_TERMS)
        return self._crate.metadata.generate()

    def _add(self, id_: str, type_: str, **properties: object) -> str:
        """A contextual entity, without those properties that are None; returns its @id."""
        known = {k: v for k, v in properties.items() if v is not None}
        return self._crate.add(ContextEntity(self._crate, id_, {"@type": type_} | known)).id

    def _value(self, name: str, value: object, **more: object) -> str:
        """A PropertyValue; equal ones are one entity."""
        id_ = f"#value/{quote(name)}/{quote(str(value))}"
        return self._add(id_, "PropertyValue", name=name, value=value, **more)

    def _id(self, path: str) -> str:
        """The @id of a file: a relative address if the crate holds it, a mere name if not."""
        return quote(path) if path in self._run.files else f"#not-included/{quote(path)}"

    # --------------------------------------------------------------------- the workflow

    def _workflow(self) -> None:
        steps = (f"#step/{quote(job.name)}" for job in self._run.jobs)
        self._crate.add_workflow(
            WORKFLOW,
            WORKFLOW,
            main=True,
            lang="snakemake",
            lang_version=metadata.version("snakemake"),
            properties={
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                "name": self._about["title"],
                "conformsTo": _ref(f"{terms.BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"),
                "hasPart": _refs(map(quote, self._tools)),
                "step": _refs(steps),
                "input": _refs(map(self._parameter_id, self._inputs)),
                "output": _refs(map(self._parameter_id, self._reported)),
                "softwareRequirements": _refs(self._software()),
            }
            | self._source_code()
            | self._facts(WORKFLOW, self._run.files[WORKFLOW]),
        )

    def _source_code(self) -> dict:
        """What a reader wants to know of any source code of ours."""
        found = {"version": str(self._about["version"]), "license": _ref(self._licence())}
        where = self._about.get("repository-code")
        return found | ({"url": where} if where else {})

    def _licence(self) -> str:
        name = self._about["license"]
        address = f"https://spdx.org/licenses/{name}"
        return self._add(address, "CreativeWork", name=name, url=address)

    def _software(self) -> list[str]:
        """Every library version that some artefact was made with."""
        used = {pair for body in self._run.provenance.values() for pair in body["versions"].items()}
        return [
            self._add(f"#{name}/{v}", "SoftwareApplication", name=name, softwareVersion=v)
            for name, v in sorted(used)
        ]

    def _parameter_id(self, path: str) -> str:
        return f"#parameter/{quote(path)}"

    def _parameter(self, path: str) -> None:
        """A file that goes into the workflow, or comes out of it."""
        self._add(
            self._parameter_id(path),
            "FormalParameter",
            name=path,
            additionalType="File",
            encodingFormat=terms.encoding_format(path),
            conformsTo=_ref(f"{terms.BIOSCHEMAS}/FormalParameter/1.0-RELEASE"),
            workExample=_ref(self._id(path)),
        )

    # -------------------------------------------------------------------------- files

    def _facts(self, path: str, sha256: str) -> dict:
        size = {"contentSize": str(Path(path).stat().st_size)}
        return size | {"sha256": sha256, "encodingFormat": terms.encoding_format(path)}

    def _file(self, path: str, sha256: str) -> None:
        properties = {"name": path} | self._facts(path, sha256)
        if path in self._tools:
            name = f"nsgf {self._tools[path]}"
            properties |= self._source_code() | {"name": name}
            properties["@type"] = ["File", "SoftwareSourceCode"]
        if path.endswith(SIDECAR):
            properties["about"] = _ref(self._id(path.removesuffix(SIDECAR)))
        if path == README:
            properties["about"] = _ref("./")
        if path in (*self._inputs, *self._reported):
            properties["exampleOfWork"] = _ref(self._parameter_id(path))
        self._crate.add_file(path, path, properties=properties)

    def _left_out(self, path: str, sha256: str) -> None:
        again = self._run.provenance[path]["command"]
        self._add(
            self._id(path),
            "CreativeWork",
            name=path,
            description=f"Not in this crate; made again, bit for bit, by: {again}",
            **self._facts(path, sha256),
        )

    # ------------------------------------------------------------------------ the run

    def _job(self, place: int, job: Job) -> None:
        """A job as the step of the workflow that it is, as what was done, and the two together."""
        made, time, tool = (
            job.artefacts,
            self._times[job.name],
            _ref(quote(_module_file(job.stage))),
        )
        bodies = [self._run.provenance[path] for path in made]
        words = [("code", job.code), *sorted({("seed", b["seed"]) for b in bodies})]
        step, name = f"#step/{quote(job.name)}", job.name
        self._add(step, "HowToStep", name=name, position=str(place), workExample=tool)
        action = self._add(
            f"#job/{quote(name)}",
            "CreateAction",
            name=name,
            description=f"nsgf make --preset {self._run.layout.preset} --job {name}",
            instrument=tool,
            object=_refs(map(self._id, (self._run.layout.preset, *job.inputs))),
            result=_refs(map(self._id, made)),
            additionalProperty=_refs(self._value(n, v) for n, v in words if v is not None),
            resourceUsage=self._usage(time and time.peak_mb),
            **self._when(time and time.start, time and time.end),
        )
        self._add(
            f"#control/{quote(name)}",
            "ControlAction",
            name=f"run {name}",
            instrument=_ref(step),
            object=_ref(action),
            actionStatus=terms.COMPLETED,
        )

    def _usage(self, peak_mb: float | None) -> dict | None:
        unit = {"propertyID": "max_rss", "unitCode": terms.MEGABYTE}
        return None if peak_mb is None else _ref(self._value("peak memory", str(peak_mb), **unit))

    def _when(self, start: float | None, end: float | None) -> dict:
        """Status, times and agent of an action that succeeded."""
        times = {"startTime": start and _iso(start), "endTime": end and _iso(end)}
        return times | {"actionStatus": terms.COMPLETED, "agent": self._agent and _ref(self._agent)}

    def _run_action(self) -> None:
        preset, bodies = self._run.preset, self._run.provenance.values()
        machines = {tuple(sorted(body["machine"].items())) for body in bodies}
        kept = [("seed", preset.seed), *(("commit", c) for c in {b["commit"] for b in bodies} if c)]
        kept += [("machine", ", ".join(f"{k} {v}" for k, v in m)) for m in machines]
        models = [p for j in self._run.jobs if j.stage == "train" for p in j.artefacts]
        data = [p for j in self._run.jobs if j.stage == "fetch" for p in j.artefacts]
        begun = [t.start for t in self._times.values() if t]
        self._add(
            RUN,
            "CreateAction",
            name=f"Run of preset {preset.name}",
            description=preset.title,
            instrument=_ref(WORKFLOW),
            object=_refs(map(self._id, [*self._inputs, *data])),
            result=_refs(map(self._id, [*self._reported, *models])),
            additionalProperty=_refs(self._value(n, v) for n, v in sorted(kept, key=str)),
            **self._when(min(begun, default=None), self._end()),
        )

    def _end(self) -> float | None:
        return max((t.end for t in self._times.values() if t), default=None)

    def _engine(self) -> None:
        version, url = metadata.version("snakemake"), "https://snakemake.readthedocs.io"
        engine = {"name": "Snakemake", "softwareVersion": version, "url": url}
        self._add(ENGINE, "SoftwareApplication", **engine)
        self._add(
            "#orchestration",
            "OrganizeAction",
            name=f"Snakemake {version} runs the jobs",
            instrument=_ref(ENGINE),
            object=_refs(f"#control/{quote(job.name)}" for job in self._run.jobs),
            result=_ref(RUN),
            **self._when(None, self._end()),
        )

    def _root(self) -> None:
        profiles = [
            self._add(address, "CreativeWork", name=name, version=address.rpartition("/")[2])
            for address, name in terms.PROFILES.items()
        ]
        jobs = (f"#job/{quote(job.name)}" for job in self._run.jobs)
        authors = [
            self._add(f"#author/{k}", "Organization", name=author["name"])
            for k, author in enumerate(self._about["authors"], start=1)
        ]
        facts = {
            "name": f"{self._about['title']}: run of preset {self._run.preset.name}",
            "description": self._about["abstract"].strip(),
            "datePublished": _iso(self._end() or UNDATED),
            "license": _ref(self._licence()),
            "author": _refs(authors),
            "keywords": ", ".join(self._about["keywords"]),
            "conformsTo": _refs(profiles),
            "mentions": _refs([RUN, *jobs]),
        }
        for name, value in facts.items():
            self._crate.root_dataset[name] = value


def _module_file(stage: str) -> str:
    """The file of a stage's module, which is the tool that its jobs run."""
    return f"src/{stage_module(stage).replace('.', '/')}.py"


def _ref(id_: str) -> dict:
    return {"@id": id_}


def _refs(ids: Iterable[str]) -> list[dict] | dict | None:
    """References, each once; a single one stands alone, as JSON-LD recommends."""
    found = [_ref(id_) for id_ in dict.fromkeys(ids)]
    return found if len(found) > 1 else next(iter(found), None)


def _iso(moment: float) -> str:
    """A moment in UTC, from seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
