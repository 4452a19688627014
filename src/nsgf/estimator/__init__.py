"""NSGF and NSGF++ as estimators in the manner of scikit-learn."""

from nsgf.estimator.flows import NSGF, NSGFPlusPlus

__all__ = ["NSGF", "NSGFPlusPlus"]
