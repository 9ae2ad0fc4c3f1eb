"""What is known of Korean account numbers and names: usual lengths, and how a name is masked."""

#: PortOne names no limits; outside these no Korean bank has accounts.
SHORTEST, LONGEST = 6, 20

#: How many digits the accounts of a bank usually have, old and new kinds. It is common knowledge and not
#: PortOne's, so another length is doubted and never refused. Banks whose numbers vary are left out.
USUAL_LENGTHS: dict[str, frozenset[int]] = {
    "KOOKMIN": frozenset({11, 12, 14}),
    "KAKAO": frozenset({13}),
    "SHINHAN": frozenset({11, 12, 13, 14}),
    "NONGHYUP": frozenset({11, 12, 13, 14}),
    "WOORI": frozenset({11, 12, 13, 14}),
    "HANA": frozenset({11, 12, 14}),
    "IBK": frozenset({10, 11, 12, 14}),
    "TOSS": frozenset({12, 13, 14}),
    "KFCC": frozenset({13, 14}),
    "K_BANK": frozenset({12, 13, 14}),
    "POST": frozenset({13, 14}),
    "BUSAN": frozenset({12, 13}),
    "DAEGU": frozenset({11, 12, 13, 14}),
    "STANDARD_CHARTERED": frozenset({11, 14}),
}


def has_unusual_length(bank: str, number: str) -> bool:
    """Whether a number is longer or shorter than this bank's usually are, as far as that is known."""
    usual = USUAL_LENGTHS.get(bank)
    return usual is not None and len(number) not in usual


def masked_name(name: str | None) -> str:
    """A name to be recognised by and no more: 홍*동, 남**민, 홍*, D***a."""
    name = name or ""
    if len(name) < 3:
        return name[:1] + "*" * (len(name) - 1)
    return name[0] + "*" * (len(name) - 2) + name[-1]
