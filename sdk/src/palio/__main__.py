"""`python -m palio`: the same as the command `palio`."""

from palio.cli import main

if __name__ == "__main__":
    main()
