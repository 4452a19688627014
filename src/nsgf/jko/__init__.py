"""Gradient flows of functionals by proximal steps (Jordan, Kinderlehrer and Otto 1998).

The distance is the sliced Wasserstein distance (Bonet et al. 2022) or Wasserstein's own. One call
is `nsgf.jko.flow.sliced_flow`; this file imports nothing, so that what rests on one module here is
not made again when another changes.
"""
