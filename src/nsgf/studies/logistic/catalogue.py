"""Tables, methods and networks of this kind. A point is (w, log a): a weight a feature, and one."""

from nsgf.registry import Dataset, Method, Network

HERE = "nsgf.studies.logistic"
FEATURES = {"banana": 2, "diabetis": 8, "german": 20, "twonorm": 20, "ringnorm": 20, "waveform": 21}
FETCHED = ("banana", "diabetis", "german")  # the others are drawn (recipes.py)


def _dataset(name: str) -> Dataset:
    files = (f"data/processed/{name}/table.npz",) if name in FETCHED else ()
    return Dataset(name, (FEATURES[name] + 1,), f"{HERE}.law", files=files)


DATASETS = {name: _dataset(name) for name in FEATURES}
NETWORKS = {
    "sw_posterior": Network(
        "nsgf.train.posterior", role="map", options="nsgf.studies.diffusion.options.Sliced"
    ),
    "likelihood": Network("nsgf.train.likelihood", role="measure"),
}
METHODS = {
    "sw-posterior": Method("SW-JKO", ("sw_posterior",), "nsgf.sample.states"),
    "likelihood": Method("Logistic regression", ("likelihood",), "nsgf.sample.states"),
}
NETS = {"real_nvp": "nsgf.nets.real_nvp", "points": "nsgf.nets.points"}
