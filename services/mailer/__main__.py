"""`python -m services.mailer`."""

from services.mailer.main import main

if __name__ == "__main__":
    main()
