"""`python -m streams.cli`: the command line, as the script `marketpulse`."""

from streams.cli.main import main

if __name__ == "__main__":
    main()
