"""The one training loop, what it drives, and the objective of each network."""
