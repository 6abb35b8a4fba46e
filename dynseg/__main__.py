"""`python -m dynseg`."""

from dynseg.cli import main

main()
