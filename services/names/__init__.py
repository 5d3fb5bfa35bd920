"""The name server of a lab: `python3 -m services.names`."""
