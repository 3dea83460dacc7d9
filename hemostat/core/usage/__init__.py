"""What one container uses of CPU, memory and network, and when that is too much."""
