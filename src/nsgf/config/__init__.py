"""Frozen configuration models, one module a stage; the only home of defaults."""
