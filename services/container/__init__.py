"""What the backend `docker` runs in a host's container or in its agent's, where the engine has no option."""
