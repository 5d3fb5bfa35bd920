"""The nursery: makes network namespaces for labs, and forks the programs that live in them.

One process a controller. It serves the controller's requests (`socketlab.wire.nursery`) until their stream
ends, and everything that it has made ends with it.
"""
