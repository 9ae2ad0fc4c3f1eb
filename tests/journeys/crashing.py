"""A web server or a worker that kills itself, as `kill -9` does, at a named step of a refund or a charge.

`python -m tests.journeys.crashing web|worker STEP [PORT]`: the app as it is, but for the one function that
the step names. It stands here and not in the app, so that nothing in the app can ever do this.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import waitress

from app import create_app, leases
from app.charges import outcomes as charge_outcomes
from app.charges import service as charges
from app.charges import settling as charge_settling
from app.payments import service as payments
from app.portone.client import PortOneClient
from app.refunds import service as refunds
from app.refunds import settling
from app.worker import Worker


@dataclass(frozen=True)
class Step:
    """Death before or after a function is called; after, only if it answered something, where `if_any`."""

    owner: Any
    function: str
    is_before: bool = False
    if_any: bool = False


STEPS = {
    "before the hold is committed": Step(refunds, "_new_refund"),
    "the hold is committed": Step(settling, "send", is_before=True),
    "claimed by the worker": Step(refunds, "claim_waiting_refunds", if_any=True),
    "PortOne is about to be asked": Step(PortOneClient, "cancel_payment", is_before=True),
    "PortOne has answered": Step(PortOneClient, "cancel_payment"),
    "the outcome is not committed": Step(settling, "_record_step"),
    "the outcome is committed": Step(settling, "sync_quietly", is_before=True),
    "the payment was read": Step(PortOneClient, "get_payment"),
    "the payment is not committed": Step(payments, "store_snapshot"),
    "all is done but not answered": Step(settling, "send"),
    "the end of an accepted one is known": Step(settling, "settle", is_before=True),
    "charge: before it is committed": Step(charges, "new_charge"),
    "charge: it is committed": Step(charge_settling, "send", is_before=True),
    "charge: claimed by the worker": Step(charges, "claim_waiting_charges", if_any=True),
    "charge: PortOne is about to be asked": Step(PortOneClient, "pay_with_billing_key", is_before=True),
    "charge: PortOne has answered": Step(PortOneClient, "pay_with_billing_key"),
    "charge: the outcome is not committed": Step(charge_outcomes, "_record_step"),
    "charge: the outcome is committed": Step(charge_settling, "_look_after_the_answer", is_before=True),
    "charge: the payment was read": Step(PortOneClient, "get_payment"),
    "charge: all is done but not answered": Step(charge_settling, "send"),
}

#: Before one of these was entered a process lives: opening the form reads the payment too.
ARMED_BY = (
    (refunds, "request_refund"),
    (settling, "follow"),
    (charges, "request_charge"),
    (charge_settling, "follow"),
)


class Doom:
    """Wraps what a step names, and what arms it."""

    def __init__(self, step: Step) -> None:
        self.is_armed = False
        for owner, name in ARMED_BY:
            setattr(owner, name, self._arming(getattr(owner, name)))
        setattr(step.owner, step.function, self._deadly(step, getattr(step.owner, step.function)))
        self.is_armed = step.if_any

    def _arming(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def arming(*args: Any, **kwargs: Any) -> Any:
            self.is_armed = True
            return act(*args, **kwargs)

        return arming

    def _deadly(self, step: Step, act: Callable[..., Any]) -> Callable[..., Any]:
        def deadly(*args: Any, **kwargs: Any) -> Any:
            if step.is_before:
                self._strike()
            result = act(*args, **kwargs)
            if result or not step.if_any:
                self._strike()
            return result

        return deadly

    def _strike(self) -> None:
        if self.is_armed:
            os.kill(os.getpid(), signal.SIGKILL)


def main(who: str, step: str, port: str = "0") -> None:
    """Serve, or work, until the step is reached."""
    if "CRASHING_SECONDS" in os.environ:  # a plain test run has no time for a dead one's claims to run out
        leases.CLAIM_SECONDS = float(os.environ["CRASHING_SECONDS"])
        leases.BEAT_SECONDS = leases.CLAIM_SECONDS / 3
        for service in (refunds, charges):
            service.SENDER_SECONDS = leases.CLAIM_SECONDS
    if step in STEPS:
        Doom(STEPS[step])
    app = create_app()
    if who == "web":
        waitress.serve(app, host="127.0.0.1", port=int(port), threads=4, _quiet=True)
    else:
        Worker(app).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
