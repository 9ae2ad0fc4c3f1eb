"""The door for gunicorn and the `flask` command: `wsgi:app`."""

import gc
import sys

import click
from flask import Flask

from app import create_app
from app.commands import Unconfigured
from app.config import InvalidSettings

app: Flask
try:
    app = create_app()
except InvalidSettings as problem:
    if click.get_current_context(silent=True):  # `flask --help` works without settings
        app = Unconfigured(problem)
    else:
        print(f"Portico: {problem}", file=sys.stderr)
        sys.exit(3)  # gunicorn stops at 3 instead of starting the worker again and again

# What was made so far lives as long as the process. To look through it for garbage takes a tenth of a second
# each time, and all threads wait.
gc.freeze()
