"""What happens without a request: inboxes that are emptied and duties that come round, in a loop."""

from app.worker.loop import Worker

__all__ = ["Worker"]
