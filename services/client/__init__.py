"""The host that calls: one conversation, the tour, the heartbeat, a try of a learner's server."""
