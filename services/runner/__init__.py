"""Runs a learner's own server on a host, and tells a client what it sees of it from inside."""
