"""Where a sign-in may lead."""

import pytest

from app.accounts.forms import local_path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/payments",
        "/payments?q=%EA%B9%80&status=PAID",
        "/payments/a%2Fb%20c",
        "/refunds/1?next=/x",
        "/payments/a%5Cb",
    ],
)
def test_a_path_of_this_site_is_kept(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "address",
    [
        "",
        "payments",
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5Cevil.example",
        "/%2Fevil.example",
        "/%252Fevil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "/" + "x" * 3000,
        "http:evil.example",
        "//[evil",
        None,
    ],
)
def test_anything_else_leads_nowhere(address):
    assert local_path(address) is None
