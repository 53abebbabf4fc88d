"""`python -m services.portal`."""

from services.portal.main import main

if __name__ == "__main__":
    main()
