"""Print what a terminal or a log reader would obey: control characters, forged lines, broken UTF-8."""

import sys

from attacker import tried

tried()
sys.stdout.buffer.write(b"\x1b]0;title\x07\x1b[2J\r\n2025-01-01 INFO released\n\xff\xfe\x00\x9b31m" * 10)
sys.stdout.buffer.flush()
