"""The one training loop, and the objective of each network."""
