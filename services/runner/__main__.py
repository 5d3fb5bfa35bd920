"""`python3 -m services.runner`."""

import sys

from services.runner.cli import main

sys.exit(main())
