"""Distances between sets of features, and the score of a set of class probabilities.

Squared Frechet distance between the Gaussians (m_a, A) and (m_b, B) (Dowson & Landau 1982; FID when
the features are Inception's, Heusel et al. 2017):
    d^2 = |m_a - m_b|^2 + tr A + tr B - 2 tr (A^(1/2) B A^(1/2))^(1/2).
Kernel distance (KID when the features are Inception's, Binkowski et al. 2018): the unbiased MMD^2
    mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)
with k(x, y) = (x.y / d + 1)^3. Inception score (Salimans et al. 2016): exp E KL(p(c|x) || p(c)).

The functions know nothing of where features come from; `nsgf.metrics.features` owns the names.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, special

from nsgf.errors import NsgfError
from nsgf.rng import Stream

CHUNK = 8192  # rows that are widened to float64 at a time: 134 MB at 2048-d


@dataclass(frozen=True)
class Moments:
    """First two moments of a set of features."""

    mean: np.ndarray  # (d,) float64
    cov: np.ndarray  # (d, d) float64, divided by n - 1
    n: int


def moments(features: ArrayLike) -> Moments:
    """Sample mean and covariance in float64, whatever the type of the features.

    Args:
        features: (n, d), n >= 2; finite.

    Returns:
        Moments: mean (d,), cov (d, d) with the divisor n - 1 (as numpy.cov and clean-fid).

    Raises:
        ValueError: features is not two-dimensional.
        NsgfError: fewer than two rows, or a value that is not finite.
    """
    features = _checked(features, "features")
    n, d = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((d, d))
    for start in range(0, n, CHUNK):
        centred = features[start : start + CHUNK].astype(np.float64) - mean
        scatter += centred.T @ centred
    return Moments(mean, scatter / (n - 1), n)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance between two Gaussians given by their moments.

    The trace term is the sum of the square roots of the eigenvalues of A^(1/2) B A^(1/2), which is
    symmetric, so that `eigh` serves; rounding below zero is clipped. At 2048-d it equals
    scipy's sqrtm(A B) to 8 decimals in a third of the time.

    Returns:
        float: squared feature units, >= 0; 0 for equal moments up to rounding.

    Raises:
        ValueError: the moments differ in dimension.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"moments must share d; received {a.mean.shape} and {b.mean.shape}")
    root = _psd_root(a.cov)
    product = root @ b.cov @ root
    eigenvalues = linalg.eigvalsh((product + product.T) / 2, check_finite=False)
    cross = np.sqrt(eigenvalues.clip(min=0)).sum()
    shift = a.mean - b.mean
    return max(0.0, float(shift @ shift + np.trace(a.cov) + np.trace(b.cov) - 2 * cross))


def kernel_distance(
    x: ArrayLike,
    y: ArrayLike,
    numbers: Stream,
    subsets: int = 100,
    subset_size: int = 1000,
) -> float:
    """Unbiased polynomial-kernel MMD^2, averaged over random subsets (Binkowski et al. 2018).

    Each subset holds m = min(subset_size, n_x, n_y) rows of either set, drawn without replacement.
    The estimate is unbiased and may be negative. Where m takes both sets whole the subsets are all
    alike, and one is evaluated.

    Args:
        x: features, (n_x, d), n_x >= 2.
        y: features, (n_y, d), n_y >= 2.
        numbers: stream that draws the subsets.
        subsets: how many subsets are averaged, >= 1.
        subset_size: rows of a subset, >= 2.

    Raises:
        ValueError: unlike dimensions, subsets < 1 or subset_size < 2.
        NsgfError: fewer than two rows, or a value that is not finite.
    """
    x, y = _checked(x, "x"), _checked(y, "y")
    if x.shape[1] != y.shape[1] or subsets < 1 or subset_size < 2:
        raise ValueError(
            "x and y must share d, subsets be >= 1 and subset_size >= 2; received "
            f"{x.shape}, {y.shape}, {subsets}, {subset_size}"
        )
    m = min(subset_size, len(x), len(y))
    rounds = 1 if m == len(x) == len(y) else subsets
    draws = (_mmd2(_subset(x, m, numbers), _subset(y, m, numbers)) for _ in range(rounds))
    return float(np.mean(list(draws)))


def inception_score(probabilities: ArrayLike, splits: int = 10) -> float:
    """exp of the mean KL divergence to the marginal, averaged over splits (Salimans et al. 2016).

    It is an Inception score only if the probabilities are Inception's.

    Args:
        probabilities: (n, k), rows sum to 1; cut into consecutive splits, so shuffle labelled sets.
        splits: number of parts of equal size, 1 to n.

    Returns:
        float: between 1 (all rows alike) and k (certain and evenly spread).

    Raises:
        ValueError: rows that are no probabilities, or splits outside 1 to n.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not (p >= 0).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise ValueError(f"probabilities must be (n, k), >= 0, rows summing to 1; got {p.shape}")
    if not 1 <= splits <= len(p):
        raise ValueError(f"splits must lie between 1 and n = {len(p)}; received {splits}")
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        # rel_entr gives 0 log 0 its limit, where the plain formula gives nan.
        divergence = special.rel_entr(part, part.mean(axis=0)).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores))


def _checked(features: ArrayLike, name: str) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"{name} must be (n, d); received shape {features.shape}")
    if len(features) < 2:
        raise NsgfError(
            f"{name} holds {len(features)} row(s); a covariance needs two or more",
            "sample more images",
        )
    if not np.isfinite(features).all():
        raise NsgfError(
            f"{name} holds values that are not finite",
            "look for diverged samples or a damaged network, and make them again",
        )
    return features


def _psd_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(matrix, check_finite=False)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def _subset(features: np.ndarray, m: int, numbers: Stream) -> np.ndarray:
    rows = numbers.permutation(len(features))[:m].numpy()
    return features[rows].astype(np.float64)


def _mmd2(x: np.ndarray, y: np.ndarray) -> float:
    m = len(x)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
    return within / (m * (m - 1)) - 2 * xy.mean()


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3
