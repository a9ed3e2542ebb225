"""A Superset of nobody else, on a loopback port, for the length of a test."""

import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
WTF_CSRF_ENABLED = False  # its API is asked with a token
TALISMAN_ENABLED = False
