"""Kinds of studies, a folder each: problems, metrics, figures and claims that belong together."""
