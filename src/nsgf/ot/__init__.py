"""Optimal transport on tensors: entropic potentials and velocities, exact distances."""

from nsgf.ot.sinkhorn import Velocity, sinkhorn_divergence, velocity

__all__ = ["Velocity", "sinkhorn_divergence", "velocity"]
