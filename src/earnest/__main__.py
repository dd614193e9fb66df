"""`python -m earnest`: the same command line as `earnest`."""

import sys

from earnest.cli import main

sys.exit(main())
