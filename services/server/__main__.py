"""`python3 -m services.server`."""

import sys

from services.server.cli import main

sys.exit(main())
