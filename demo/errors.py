"""What goes wrong between the apps."""


class CallFailed(Exception):
    """The app behind this one gave no answer that can be used; the text goes to the caller."""
