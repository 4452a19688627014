"""Sampling: ODE steps, the NSGF flow, and the two-phase method; NFE is counted at the network."""
