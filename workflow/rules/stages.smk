"""Every stage, from data to report: one rule a job, which is a process over units of one stage.

Rules are made in a loop because Snakemake's wildcards cannot say what a job is: which units share a
process is a setting (`resources.units_per_job`), and outputs of a rule cannot be a function of a
wildcard. A rule's name begins with the data set and the stage; `--set-resources train:mem_mb=4000`
names a stage. `nsgf dag` shows stages and counts.

`recipe` is a digest of the stage, its settings and the code that it reaches: editing a constant runs
again what depends on it; a comment, grouping, resources or checkpoints run nothing again.
"""

for job in JOBS:

    rule:
        name:
            job.name
        input:
            job.inputs,
        output:
            shown=in_report(job),
            others=[p for p in job.kept if p not in job.shown],
            temporary=temp(job.temporary),
        log:
            f"{LOGS}/{job.name}.log",
        benchmark:
            f"{TIMINGS}/{job.name}.tsv"
        priority: job.priority
        localrule: job.local
        conda:
            ENVIRONMENT
        threads: job.threads
        resources:
            **on_cluster(job),
            mem_mb=growing(job.resources.mem_mb),
            runtime=growing(job.resources.runtime_min),
            # For the shell: as parameters, they would run again what is grouped otherwise, and data
            # that another preset has fetched.
            job=job.name,
            preset=SNAPSHOT,
        params:
            recipe=job.recipe,
        # Read again when the job starts, and the loop has ended by then: `job` cannot stand here.
        shell:
            "nsgf make --preset {resources.preset} --job {resources.job} > {log} 2>&1"
