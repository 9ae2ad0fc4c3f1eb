"""The door for gunicorn and the `flask` command: `wsgi:app`."""

import sys

from app import create_app
from app.config import InvalidSettings

try:
    app = create_app()
except InvalidSettings as problem:
    print(f"Portico: {problem}", file=sys.stderr)
    sys.exit(3)  # gunicorn stops at 3 instead of starting the worker again and again
