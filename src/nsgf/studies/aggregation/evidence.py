"""The claim of this kind is judged on the table alone."""


def inputs(outline, study: str) -> dict[str, tuple[str, ...]]:
    """Nothing beside it."""
    return {}
