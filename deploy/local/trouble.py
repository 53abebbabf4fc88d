"""What stops a start, said to a person."""


class TroubleError(Exception):
    """Something that only the person can mend. The message is one line that says what to do."""
