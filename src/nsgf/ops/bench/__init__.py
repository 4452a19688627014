"""Speed and accuracy of our solvers beside others', on the same inputs."""
