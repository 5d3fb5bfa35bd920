"""What `./scripts/bench` measures with and against: C sources, and peers in Python."""
