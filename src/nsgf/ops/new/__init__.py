"""`nsgf new`: a preset for points of one's own."""
