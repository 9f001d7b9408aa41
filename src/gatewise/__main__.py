"""`python -m gatewise` is the `gatewise` command."""

from gatewise.cli import main

main()
