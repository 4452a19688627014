"""Figures, tables and verdicts: what a reader of the results sees."""
