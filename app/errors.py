"""What cannot be done, said in a sentence for the admin."""


class DomainError(Exception):
    """A request that the business rules refuse.

    `message` is a translated sentence that may be shown to the admin as it is;
    `status` is the HTTP status of the page that shows it.
    """

    status = 409

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status


class NotFound(DomainError):
    """The thing asked for does not exist, or not for this person."""

    status = 404
