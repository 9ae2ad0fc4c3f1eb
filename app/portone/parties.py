"""Who takes part in a payment: the channel it went through and the customer who paid."""

from dataclasses import dataclass, field
from typing import Self

from app.portone.values import Raw, mapping, text


@dataclass(frozen=True, slots=True)
class Channel:
    """A store's connection to a PG; `type` is LIVE or TEST, `pg_provider` a code such as TOSSPAYMENTS."""

    type: str | None
    pg_provider: str | None
    pg_merchant_id: str | None
    id: str | None
    key: str | None
    name: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a channel; every member may be missing."""
        return cls(
            type=text(raw, "type"),
            pg_provider=text(raw, "pgProvider"),
            pg_merchant_id=text(raw, "pgMerchantId"),
            id=text(raw, "id"),
            key=text(raw, "key"),
            name=text(raw, "name"),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class Customer:
    """The person who paid, as far as the store told PortOne; `id` is the store's own id of them."""

    id: str | None
    name: str | None
    email: str | None
    phone_number: str | None
    address: str | None
    zipcode: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        """Read a customer; every member may be missing."""
        return cls(
            id=text(raw, "id"),
            name=text(raw, "name"),
            email=text(raw, "email"),
            phone_number=text(raw, "phoneNumber"),
            address=text(mapping(raw, "address") or {}, "oneLine"),
            zipcode=text(raw, "zipcode"),
            raw=raw,
        )
