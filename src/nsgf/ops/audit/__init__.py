"""Check every number of a run back to its bytes and its command, against a git commit."""
