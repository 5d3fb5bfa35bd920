"""One connection from top to bottom, with calls that wait: for the styles with threads and processes."""
