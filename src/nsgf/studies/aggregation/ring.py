"""The end of the energy `ring` (nsgf.studies.aggregation.energies), a law that can be drawn."""

from nsgf.studies.aggregation.energies import ENERGIES

sample = ENERGIES["ring"].draw
