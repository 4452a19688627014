"""Networks, one file each: settings, role, checks and how they are built; stored with all that.

A file has `Config`, a NetModel whose `kind` is the network's name in the registry, and
`build(config, shape)`. torch is imported where a network is built: reading a preset stays quick.
"""
