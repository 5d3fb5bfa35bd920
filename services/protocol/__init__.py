"""Application protocols without I/O: bytes in, events and bytes out; no socket, no clock, no thread."""
