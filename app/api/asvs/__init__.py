"""How OWASP ASVS 5.0 (https://owasp.org/ASVS), level 2, is met here: section by section, with its tests.

A test sees to it that the named tests exist. What is only partly met says what is missing.
"""

from typing import Any

from flask_babel import lazy_gettext as _l

from app.api.asvs import keeping, people, requests

SECTIONS = (*requests.SECTIONS, *people.SECTIONS, *keeping.SECTIONS)

CHAPTERS: dict[str, Any] = {
    "V1": _l("Encoding and sanitization"),
    "V2": _l("Validation and business logic"),
    "V3": _l("Web frontend"),
    "V4": _l("API and web service"),
    "V5": _l("File handling"),
    "V6": _l("Authentication"),
    "V7": _l("Session management"),
    "V8": _l("Authorization"),
    "V9": _l("Self-contained tokens"),
    "V10": _l("OAuth and OIDC"),
    "V11": _l("Cryptography"),
    "V12": _l("Secure communication"),
    "V13": _l("Configuration"),
    "V14": _l("Data protection"),
    "V15": _l("Secure coding and architecture"),
    "V16": _l("Logging and error handling"),
    "V17": _l("WebRTC"),
}
