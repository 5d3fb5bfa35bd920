"""The project's own commands: `up`, `down`, `test`."""
