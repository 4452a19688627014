"""What turns stages into a DAG, makes one unit of it, and says where the result came from."""
