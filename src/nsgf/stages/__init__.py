"""One module a sub-command: files in, files out, with provenance. The edge of the library."""
