"""The report of a run as one page: verdicts, tables as papers print them, clouds that move."""
