"""Gradient flows of functionals by proximal steps (Jordan, Kinderlehrer and Otto 1998).

The distance is the sliced Wasserstein distance (Bonet et al. 2022) or Wasserstein's own.
"""
