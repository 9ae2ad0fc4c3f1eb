"""Personal data as it may be shown to those who need not know it."""

from app.web.filters import mask_ending


def masked_name(name: str) -> str:
    """The first and the last letter of a name: 홍*동, 김*."""
    name = name.strip()
    if len(name) < 3:
        return name[:1] + "*" * (len(name) - 1) if len(name) > 1 else "*" * len(name)
    return name[0] + "*" * (len(name) - 2) + name[-1]


def masked_email(email: str) -> str:
    """The first letter of an address, and its domain: h***@example.com."""
    local, at, domain = email.strip().rpartition("@")
    return f"{local[:1]}***@{domain}" if at and local else "***"


def masked_phone(phone: str) -> str:
    """The first three digits of a phone and its last four: 010****5678."""
    digits = "".join(character for character in phone if character.isdigit())
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 9 else masked_number(digits)


def masked_number(number: str) -> str:
    """The last digits of a card or an account: ****1234; of a short number fewer."""
    bare = number.strip()
    return mask_ending(bare, 4 if len(bare) >= 8 else len(bare) // 4) if len(bare) >= 4 else "*" * len(bare)
