"""The command `socketlab`: one module a command."""
