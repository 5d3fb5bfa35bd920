"""Hosts and labs: what a lab is, the backends that make one, and the handles that users hold."""
