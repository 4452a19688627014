"""Energies, the scheme and families of this kind."""

from nsgf.registry import Dataset, Figure, Method, Network

HERE = "nsgf.studies.aggregation"
DATASETS = {
    "ring": Dataset("ring", (2,), f"{HERE}.ring"),
    "disk": Dataset("disk", (2,), f"{HERE}.disk"),
    "annulus": Dataset("annulus", (2,), f"{HERE}.annulus"),
}
NETWORKS = {
    f"sw_{family}": Network(
        "nsgf.train.aggregation", role="measure", options="nsgf.studies.diffusion.options.Sliced"
    )
    for family in ("particles", "grid", "generator")
}
METHODS = {
    "sw-particles": Method("SW-JKO, particles", ("sw_particles",), "nsgf.sample.states"),
    "sw-grid": Method("SW-JKO, grid", ("sw_grid",), "nsgf.sample.states"),
    "sw-generator": Method("SW-JKO, network", ("sw_generator",), "nsgf.sample.states"),
}
FIGURES = {"gathering": Figure(f"{HERE}.gathering", shows="plane")}
NETS = {
    "points": "nsgf.nets.points",
    "grid": "nsgf.nets.grid",
    "generator": "nsgf.nets.generator",
}
