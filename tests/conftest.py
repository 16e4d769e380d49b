"""What every test shares."""

import os

from hypothesis import settings

# No deadline for single examples: on a busy machine it would measure the neighbors. The time-out of each test
# bounds the whole. What CI finds must be found again: it prints the blob that reproduces a failure.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")
