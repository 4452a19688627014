"""Problems, schemes and networks of this kind."""

from nsgf.registry import Dataset, Figure, Method, Network

HERE = "nsgf.studies.diffusion"
OPTIONS = f"{HERE}.options"
DATASETS = {f"gaussian-{d}": Dataset(f"d = {d}", (d,), f"{HERE}.law") for d in range(2, 13)}
NETWORKS = {
    "sw_jko": Network("nsgf.train.sw_jko", role="map", options=f"{OPTIONS}.Sliced"),
    "jko_icnn": Network("nsgf.train.jko_icnn", role="convex", options=f"{OPTIONS}.Convex"),
    "langevin": Network("nsgf.train.langevin", role="measure", options=f"{OPTIONS}.Langevin"),
}
METHODS = {
    "sw-jko": Method("SW-JKO", ("sw_jko",), "nsgf.sample.states"),
    "jko-icnn": Method("JKO-ICNN (Mokrov et al. 2021)", ("jko_icnn",), "nsgf.sample.maps"),
    "euler-maruyama": Method("Euler-Maruyama", ("langevin",), "nsgf.sample.states"),
}
FIGURES = {
    "dimension": Figure("nsgf.report.dimension", reads="table"),
    "along": Figure("nsgf.report.along", reads="table"),
}
NETS = {
    "real_nvp": "nsgf.nets.real_nvp",
    "icnn": "nsgf.nets.icnn",
    "points": "nsgf.nets.points",
}
