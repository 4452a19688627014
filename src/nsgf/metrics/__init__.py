"""Distances between samples and data, with floors and intervals."""
