"""Neural Sinkhorn Gradient Flow: the library behind every stage of the reproduction."""

__all__ = ["NSGF", "NSGFPlusPlus"]


def __getattr__(name: str):
    """Estimators, imported when they are asked for: torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'nsgf' has no attribute '{name}'")
    from nsgf import estimator

    return getattr(estimator, name)
