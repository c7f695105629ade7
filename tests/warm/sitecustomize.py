"""Read by every Python whose PYTHONPATH names this folder: what it starts in turn is started warm as well."""

import os

if os.environ.get("LORATUI_TESTS_WARM"):
    from tests.warm.client import install

    install()
