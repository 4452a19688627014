"""One file a stage: what it works through, reads, writes and runs, and how it makes one unit.

A stage's module is called like the stage and has

tasks(outline)                all its units in a preset, as nsgf.engine.task.Task
make(settings, unit, files)   makes one of them; returns facts for its provenance

`tasks` is called whenever the DAG is read, so that it imports nothing heavy; `make` imports what it
needs. A new stage is one file here and its name in nsgf.registry.
"""
