"""NSGF and NSGF++ as estimators in the manner of scikit-learn."""

from nsgf.estimator.flows import NSGF
from nsgf.estimator.two_phase import NSGFPlusPlus

__all__ = ["NSGF", "NSGFPlusPlus"]
