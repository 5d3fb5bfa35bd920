"""The program on a host that serves: one protocol, or the whole lab's exhibits."""
