"""PortOne's no to a deletion, as it is kept: its reason, the PG's words, and what each channel answered."""

from typing import Any

from app.billing_keys.service import without_key
from app.portone.errors import ChannelFailure, PortOneRefused
from app.portone.values import mapping, text


def facts_of(refusal: PortOneRefused, billing_key: str) -> dict[str, Any]:
    """PortOne's no as columns of the deletion, without the key wherever its words hold it."""
    said: dict[str, Any] = {
        "problem": refusal.type[:80],
        "problem_message": refusal.message or None,
        "pg_code": refusal.pg_code and refusal.pg_code[:80],
        "pg_message": refusal.pg_message,
        "channels": _channels_of(refusal) or None,
    }
    told: dict[str, Any] = without_key(said, billing_key)
    return told


def _channels_of(refusal: PortOneRefused) -> list[dict[str, Any]]:
    """What each channel answered: those that said no and why, then those that have deleted their part."""
    succeeded = refusal.raw.get("succeededChannels")
    return [
        *(_failed_channel(failure) for failure in refusal.failures),
        *(
            {"isDeleted": True, "name": text(channel, "name"), "pgProvider": text(channel, "pgProvider")}
            for channel in (succeeded if isinstance(succeeded, list) else ())
            if mapping({"channel": channel}, "channel") is not None
        ),
    ]


def _failed_channel(failure: ChannelFailure) -> dict[str, Any]:
    return {
        "isDeleted": False,
        "name": failure.channel_name,
        "pgProvider": failure.pg_provider,
        "problem": failure.type,
        "message": failure.message,
        "pgCode": failure.pg_code,
        "pgMessage": failure.pg_message,
    }
