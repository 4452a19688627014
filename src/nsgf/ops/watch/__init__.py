"""All jobs of a running workflow in one view, local or SLURM.

events.py    what Snakemake's log says of each job
signs.py     what a job's own log says of its progress, and SLURM of its place in the queue
state.py     the three together, with outputs, benchmark files and the forecast
run.py       `nsgf watch`: follow a run until it ends; a table for people, JSON lines for machines
"""
