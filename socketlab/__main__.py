"""`python -m socketlab`."""

from socketlab.cli import main

main()
