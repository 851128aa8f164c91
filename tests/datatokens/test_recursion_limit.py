from __future__ import annotations

import subprocess
import sys


def test_deeply_nested_json_is_an_error_and_not_the_end_of_the_process() -> None:
    program = (
        "import json\n"
        "import datatokens.client\n"
        "try:\n"
        "    json.loads('[' * 100_000)\n"
        "except RecursionError:\n"
        "    print('refused')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "refused\n")
