"""Run a module as if uvloop were not installed: `python -m benchmarks.without_uvloop MODULE [ARGUMENT...]`.

The lab's asyncio server takes uvloop where it finds it; the benchmark compares both.
"""

import runpy
import sys

if __name__ == "__main__":
    # None in the table of modules is Python's own way to say that a module cannot be imported.
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
