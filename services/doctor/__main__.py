"""`python3 -m services.doctor`."""

import sys

from services.doctor.program import run

sys.exit(run())
