"""The end of the energy `disk` (nsgf.studies.aggregation.energies), a law that can be drawn."""

from nsgf.studies.aggregation.energies import ENERGIES

sample = ENERGIES["disk"].draw
