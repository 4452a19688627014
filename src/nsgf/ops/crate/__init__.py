"""A finished run as a Provenance Run Crate, the RO-Crate that archives of workflow runs take."""
