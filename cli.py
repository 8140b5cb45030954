"""Run the `replay` command from a checkout: `python cli.py --help`."""

from replay.cli import main

if __name__ == "__main__":
    main()
