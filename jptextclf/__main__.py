"""``python -m jptextclf``: the command line."""

from jptextclf.cli import main

main()
