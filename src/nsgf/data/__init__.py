"""Targets and sources: 2-D laws, image sets, and the problems that pair them."""
