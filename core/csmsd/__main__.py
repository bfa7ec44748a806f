"""`python -m csmsd`."""

from csmsd.cli import main

main()
