"""`python3 -m services.client`."""

import sys

from services.client.cli import main

sys.exit(main())
