"""The actor: makes the socket calls that it is told to make, and says what the kernel said."""
