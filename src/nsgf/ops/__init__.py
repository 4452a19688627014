"""What people do with a DAG beside running it: each reads it as data."""
