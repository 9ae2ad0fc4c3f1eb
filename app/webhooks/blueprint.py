"""The blueprint of all pages under /webhooks, which several modules fill."""

from flask import Blueprint

webhooks = Blueprint("webhooks", __name__)
