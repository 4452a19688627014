"""The metadata of a crate: the workflow, its run, each job, and every file with its digest.

Shape of the Provenance Run Crate profile: the Snakefile is the workflow, each job one of its steps,
each stage's module the tool of those steps. A CreateAction tells of the whole run, one more of each
job; a ControlAction ties a job to its step, and an OrganizeAction ties them to Snakemake.
"""

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
from nsgf.ops.crate.finished import Finished, papers, registries
from nsgf.ops.timing import timing

WORKFLOW, README, CITATION = "Snakefile", "README.md", "CITATION.cff"
UNDATED = 315532800.0  # 1980, of a run whose jobs left no benchmark files


class Description:
    """A crate while it is being described; entities refer to each other by their @id.

    Args:
        run: what is exported.
        agent: name of the person who ran it, if it is to stand there.
    """

    def __init__(self, run: Finished, agent: str | None):
        self._run, self._crate = run, ROCrate(version=terms.RO_CRATE)
        self._crate.metadata.extra_terms.update(terms.EXTRA_TERMS)
        self._about = about = yaml.safe_load(Path(CITATION).read_text())
        self._inputs = [run.layout.preset, *papers(run.preset), *registries(run.jobs)]
        self._reported = [p for j in run.jobs if j.reported for p in j.artefacts]
        self._tools = {_tool(job): f"nsgf {job.stage}" for job in run.jobs}
        self._times = {job.name: timing(run.preset.name, job.name) for job in run.jobs}
        self._end = max((t.end for t in self._times.values() if t), default=None)
        who = agent and self._add("#agent", "Person", name=agent)
        self._done = {"actionStatus": terms.COMPLETED, "agent": who}
        spdx = f"https://spdx.org/licenses/{about['license']}"
        licence = self._add(spdx, "CreativeWork", name=about["license"], url=spdx)
        # What a reader wants to know of any source code of ours.
        where = about.get("repository-code")
        self._source = {"version": str(about["version"]), "license": licence, "url": where}

    def whole(self) -> dict:
        """The content of ro-crate-metadata.json; the same run gives the same content."""
        self._workflow()
        for path in self._run.files:
            if path != WORKFLOW:
                self._file(path)
        for path, sha256 in self._run.left_out.items():
            again = self._run.provenance[path]["command"]
            said = f"Not in this crate; made again, bit for bit, by: {again}"
            facts = {"name": path, "description": said} | _facts(path, sha256)
            self._add(self._id(path), "CreativeWork", **facts)
        for path in (*self._inputs, *self._reported):
            self._parameter(path)
        for place, job in enumerate(self._run.jobs, start=1):
            self._job(place, job)
        self._whole_run()
        self._root()
        return self._crate.metadata.generate()

    def _add(self, id_: str, type_: str, **properties: object) -> str:
        """A contextual entity, of properties as `_linked` takes them; returns its @id."""
        body = {"@type": type_} | _linked(properties)
        return self._crate.add(ContextEntity(self._crate, id_, body)).id

    def _value(self, name: str, value: object, **more: object) -> str:
        """A PropertyValue; equal ones are one entity."""
        return self._add(
            _named("value", name, value), "PropertyValue", name=name, value=value, **more
        )

    def _id(self, path: str) -> str:
        """The @id of a file: a relative address if the crate holds it, a mere name if not."""
        return quote(path) if path in self._run.files else _named("not-included", path)

    def _workflow(self) -> None:
        """The Snakefile: its steps, and every library version that some artefact was made with."""
        used = {pair for body in self._run.provenance.values() for pair in body["versions"].items()}
        version = metadata.version("snakemake")
        about = {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": self._about["title"],
            "conformsTo": f"{terms.BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE",
            "hasPart": map(quote, self._tools),
            "step": [_named("step", job.name) for job in self._run.jobs],
            "input": [_named("parameter", path) for path in self._inputs],
            "output": [_named("parameter", path) for path in self._reported],
            "softwareRequirements": [
                self._add(f"#{name}/{v}", "SoftwareApplication", name=name, softwareVersion=v)
                for name, v in sorted(used)
            ],
        }
        about |= self._source | _facts(WORKFLOW, self._run.files[WORKFLOW])
        how = {"main": True, "lang": "snakemake", "lang_version": version}
        self._crate.add_workflow(WORKFLOW, WORKFLOW, properties=_linked(about), **how)

    def _file(self, path: str) -> None:
        about = {"name": path} | _facts(path, self._run.files[path])
        if path in self._tools:
            about |= {"@type": ["File", "SoftwareSourceCode"], "name": self._tools[path]}
            about |= self._source
        if path.endswith(SIDECAR):
            about["about"] = self._id(path.removesuffix(SIDECAR))
        if path == README:
            about["about"] = "./"
        if path in (*self._inputs, *self._reported):
            about["exampleOfWork"] = _named("parameter", path)
        self._crate.add_file(path, path, properties=_linked(about))

    def _parameter(self, path: str) -> None:
        """A file that goes into the workflow, or comes out of it."""
        self._add(
            _named("parameter", path),
            "FormalParameter",
            name=path,
            additionalType="File",
            encodingFormat=terms.encoding_format(path),
            conformsTo=f"{terms.BIOSCHEMAS}/FormalParameter/1.0-RELEASE",
            workExample=self._id(path),
        )

    def _job(self, place: int, job: Job) -> None:
        """A job as the step of the workflow that it is, as what was done, and the two together."""
        name, tool, time = job.name, quote(_tool(job)), self._times[job.name]
        seeds = {self._run.provenance[path]["seed"] for path in job.artefacts}
        words = [("code", job.code), *(("seed", s) for s in sorted(seeds) if s is not None)]
        usage = None
        if time and time.peak_mb is not None:
            unit = {"propertyID": "max_rss", "unitCode": terms.MEGABYTE}
            usage = self._value("peak memory", str(time.peak_mb), **unit)
        step = _named("step", name)
        self._add(step, "HowToStep", name=name, position=str(place), workExample=tool)
        action = self._add(
            _named("job", name),
            "CreateAction",
            name=name,
            description=f"nsgf make --preset {self._run.layout.preset} --job {name}",
            instrument=tool,
            object=map(self._id, (self._run.layout.preset, *job.inputs)),
            result=map(self._id, job.artefacts),
            additionalProperty=[self._value(*pair) for pair in words],
            resourceUsage=usage,
            startTime=time and _iso(time.start),
            endTime=time and _iso(time.end),
            **self._done,
        )
        control = {"instrument": step, "object": action, "actionStatus": terms.COMPLETED}
        self._add(_named("control", name), "ControlAction", name=f"run {name}", **control)

    def _whole_run(self) -> None:
        """The run as one action, and Snakemake, which orders the jobs in it."""
        preset, bodies = self._run.preset, self._run.provenance.values()
        machines = {tuple(sorted(body["machine"].items())) for body in bodies}
        kept = [("seed", preset.seed), *(("commit", c) for c in {b["commit"] for b in bodies} if c)]
        kept += [("machine", ", ".join(f"{k} {v}" for k, v in m)) for m in machines]
        begun = [t.start for t in self._times.values() if t]

        def made(stage: str) -> list[str]:
            return [p for j in self._run.jobs if j.stage == stage for p in j.artefacts]

        run = self._add(
            "#run",
            "CreateAction",
            name=f"Run of preset {preset.name}",
            description=preset.title,
            instrument=WORKFLOW,
            object=map(self._id, [*self._inputs, *made("fetch")]),
            result=map(self._id, [*self._reported, *made("train")]),
            additionalProperty=[self._value(*pair) for pair in sorted(kept, key=str)],
            startTime=_iso(min(begun)) if begun else None,
            endTime=self._end and _iso(self._end),
            **self._done,
        )
        engine = metadata.metadata("snakemake")
        self._add(
            "#orchestration",
            "OrganizeAction",
            name=f"Snakemake {engine['version']} runs the jobs",
            instrument=self._add(
                "#snakemake",
                "SoftwareApplication",
                name="Snakemake",
                softwareVersion=engine["version"],
                url="https://snakemake.readthedocs.io",
            ),
            object=[_named("control", job.name) for job in self._run.jobs],
            result=run,
            endTime=self._end and _iso(self._end),
            **self._done,
        )

    def _root(self) -> None:
        about = self._about
        facts = {
            "name": f"{about['title']}: run of preset {self._run.preset.name}",
            "description": about["abstract"].strip(),
            "datePublished": _iso(self._end or UNDATED),
            "license": self._source["license"],
            "author": [
                self._add(f"#author/{k}", "Organization", name=author["name"])
                for k, author in enumerate(about["authors"], start=1)
            ],
            "keywords": ", ".join(about["keywords"]),
            "conformsTo": [
                self._add(address, "CreativeWork", name=name, version=address.rpartition("/")[2])
                for address, name in terms.PROFILES.items()
            ],
            "mentions": ["#run", *(_named("job", job.name) for job in self._run.jobs)],
        }
        for name, value in _linked(facts).items():
            self._crate.root_dataset[name] = value


def _linked(properties: dict) -> dict:
    """Without properties that are None; those that name entities as references to their @ids."""
    found = {k: v for k, v in properties.items() if v is not None}
    for key in terms.LINKS & found.keys():
        ids = [found[key]] if isinstance(found[key], str) else dict.fromkeys(found[key])
        several = [{"@id": id_} for id_ in ids]
        # A single one stands alone, as JSON-LD recommends.
        found[key] = several if len(several) > 1 else next(iter(several), None)
    return found


def _named(kind: str, *names: object) -> str:
    """The @id of what is no file."""
    return "/".join([f"#{kind}", *(quote(str(name)) for name in names)])


def _tool(job: Job) -> str:
    """The file of a stage's module, which is the tool that its jobs run."""
    return f"src/{stage_module(job.stage).replace('.', '/')}.py"


def _facts(path: str, sha256: str) -> dict:
    size = str(Path(path).stat().st_size)
    return {"contentSize": size, "sha256": sha256, "encodingFormat": terms.encoding_format(path)}


def _iso(moment: float) -> str:
    """A moment in UTC, from seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
