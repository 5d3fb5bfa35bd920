"""The styles of server, a module each: who waits, for whom, and what one more client costs."""
