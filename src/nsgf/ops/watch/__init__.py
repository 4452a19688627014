"""All jobs of a running workflow in one view, local or SLURM.

events.py    what Snakemake's log says of each job
bars.py      what a job's own log says of its progress
queue.py     what SLURM says of each job
state.py     the three together, with outputs, benchmark files and the forecast
view.py      a table for people
run.py       `nsgf watch`: follow a run until it ends; JSON lines for machines
"""
