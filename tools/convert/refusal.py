class Refused(Exception):
    """What was given cannot be converted; the text says what is wrong and what would be allowed."""
