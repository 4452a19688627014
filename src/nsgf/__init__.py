"""Neural Sinkhorn Gradient Flow: the library behind every stage of the reproduction."""
