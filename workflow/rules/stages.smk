"""Every stage, from data to report: one rule a job (see nsgf.jobs for what a job is).

A job works through one or more units (data set, seed, shard); how many is a setting of the preset and
changes no byte of any file. `code` is a hash of the code that the job reaches, so that editing a
constant reruns what depends on it and editing a comment reruns nothing.
"""

for job in JOBS:

    rule:
        name:
            job.name
        input:
            job.inputs,
        output:
            shown=in_report(job),
            others=job.others,
            temporary=temp(job.temporary),
        log:
            f"{LOGS}/{job.name}.log",
        benchmark:
            f"{TIMINGS}/{job.name}.tsv"
        priority: job.priority
        localrule: job.stage in LOCAL_STAGES
        conda:
            ENVIRONMENT
        threads: job.threads
        resources:
            **on_cluster(job),
            mem_mb=growing(job.resources.mem_mb),
            runtime=growing(job.resources.runtime_min),
        params:
            command=literal(f"{job.stage} {job.arguments}"),
            code=job.code,
        shell:
            "nsgf {params.command} > {log} 2>&1"
