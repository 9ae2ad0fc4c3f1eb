"""What keeps a backup from being made or restored."""


class BackupProblem(Exception):
    """It was not done, and nothing was left half-done; the message is a sentence."""
