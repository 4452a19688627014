"""The inner loops of the Sinkhorn solver on a CPU: fused passes over a matrix that stays in cache.

Arrays are float32 or float64 and C-contiguous; potentials are float64 always. A batch runs on all
threads, one problem each; one large problem is cut into blocks of rows. `nsgf.ot.kernels` calls
them, from tensors.
"""
