"""Tests compute as runs do, in processes that they start too: set before anything loads numpy."""

from nsgf import numerics

numerics.apply(numerics.best())
