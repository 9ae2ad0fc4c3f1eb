"""A billing key as PortOne reports it at one moment."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.portone.methods import Card, Method
from app.portone.parties import Channel, Customer
from app.portone.values import Raw, mapping, moment, parts, required_text, text


@dataclass(frozen=True, slots=True)
class BillingKeyInfo:
    """A token to charge again, and what it charges. The key is a credential: it stands in no repr.

    `status` is ISSUED or DELETED, or what comes later. Customer, methods and card may all be missing.
    """

    billing_key: str = field(repr=False)
    status: str
    store_id: str | None
    merchant_id: str | None
    customer: Customer
    methods: tuple[Method, ...]
    channels: tuple[Channel, ...]
    requested_at: datetime | None
    issued_at: datetime | None
    deleted_at: datetime | None
    issue_id: str | None
    issue_name: str | None
    custom_data: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a billing key; UnreadableDocument without the key or its status."""
        return cls(
            billing_key=required_text(raw, "billingKey"),
            status=required_text(raw, "status"),
            store_id=text(raw, "storeId"),
            merchant_id=text(raw, "merchantId"),
            customer=Customer.from_raw(mapping(raw, "customer") or {}),
            methods=parts(raw, "methods", Method.from_raw),
            channels=parts(raw, "channels", Channel.from_raw),
            requested_at=moment(raw, "requestedAt"),
            issued_at=moment(raw, "issuedAt"),
            deleted_at=moment(raw, "deletedAt"),
            issue_id=text(raw, "issueId"),
            issue_name=text(raw, "issueName"),
            custom_data=text(raw, "customData"),
            raw=raw,
        )

    @property
    def first_card(self) -> Card | None:
        """The first card the key charges, its own or one in a wallet; None if it charges none."""
        return next((method.any_card for method in self.methods if method.any_card), None)
