"""Gradient flows of functionals by proximal steps (Jordan, Kinderlehrer and Otto 1998).

The distance is the sliced Wasserstein distance (Bonet et al. 2022) or Wasserstein's own.
"""

from nsgf.jko.flow import SlicedFlow, sliced_flow
from nsgf.jko.measure import Grid, Measure, Particles, Pushforward
from nsgf.jko.scheme import Proximal

__all__ = [
    "Grid",
    "Measure",
    "Particles",
    "Proximal",
    "Pushforward",
    "SlicedFlow",
    "sliced_flow",
]
