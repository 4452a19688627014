"""Particle flows and the pools that store their trajectories."""

from nsgf.flows.sinkhorn import Trajectory, sinkhorn_flow

__all__ = ["Trajectory", "sinkhorn_flow"]
