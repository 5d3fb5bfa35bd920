"""`python3 -m services.names`."""

import sys

from services.names.cli import main

sys.exit(main())
