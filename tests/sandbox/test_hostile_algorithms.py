"""Algorithms that attack. Each truly runs in a truly sealed container, on every runtime that the engine has."""

from __future__ import annotations

import json

import pytest

from sandbox.determinism import FIXED_VARIABLES, THREAD_VARIABLES
from sandbox.spec import ExitReason, Runtime
from tests.sandbox_fixtures import ASSET, LIMITS, MIB, Bench, printed


def test_memory_is_limited(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("kept = []\nwhile True: kept.append(b'x' * (1 << 20))", runtime)
    assert report.reason is ExitReason.OUT_OF_MEMORY
    assert report.reason.ran


def test_forking_without_end_harms_only_itself(bench: Bench, runtime: Runtime) -> None:
    code = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    report = bench.run(code, runtime, time_s=2)
    assert report.reason in {ExitReason.TIMEOUT, ExitReason.ALGORITHM_FAILED, ExitReason.OUT_OF_MEMORY}
    assert report.outputs == ()


@pytest.mark.parametrize("place", ["/scratch", "/tmp", "/dev/shm", "/data/logs"])  # noqa: S108 - inside the container
def test_hole_11_every_writable_place_is_limited(bench: Bench, runtime: Runtime, place: str) -> None:
    code = f"""
import errno, os
written = 0
try:
    for number in range(40):
        with open(f"{place}/{{number}}", "wb") as stream:
            for _ in range(4):
                written += stream.write(bytes(1 << 20))
                stream.flush()
except OSError as error:
    print(errno.errorcode[error.errno], written)
"""
    report = bench.run(code, runtime, file_bytes=8 * MIB)
    assert printed(report).startswith("ENOSPC")
    assert int(printed(report).split()[1]) <= 64 * MIB


def test_hole_11_a_flood_of_output_is_kept_only_to_its_limit(bench: Bench, runtime: Runtime) -> None:
    code = "import os\nfor n in range(1000): os.write(1, b'%07d\\n' % n * 1024)\nos.write(1, b'the end')"
    report = bench.run(code, runtime)
    assert report.reason is ExitReason.COMPLETED
    assert report.log is not None
    assert report.log.stat().st_size == LIMITS.log_bytes
    assert printed(report).endswith("the end")


def test_hole_18_a_flood_of_output_is_not_counted_past_its_limit_so_that_its_length_says_nothing(
    bench: Bench, runtime: Runtime
) -> None:
    report = bench.run("import os\nfor n in range(100): os.write(1, bytes(1 << 20))", runtime)
    assert report.reason is ExitReason.COMPLETED
    assert report.bytes_written == LIMITS.log_bytes


def test_one_file_is_limited(bench: Bench, runtime: Runtime) -> None:
    report = bench.run("open('/data/outputs/x', 'wb').write(bytes(1 << 20))", runtime, file_bytes=MIB // 2)
    assert report.reason is not ExitReason.COMPLETED


def test_open_files_are_limited(bench: Bench, runtime: Runtime) -> None:
    code = "import errno\nkept = []\ntry:\n  while True: kept.append(open('/dev/null'))\nexcept OSError as e: print(errno.errorcode[e.errno])"
    assert printed(bench.run(code, runtime)) == "EMFILE\n"


FILLED = {
    "one large file": "f = open('/data/outputs/x', 'wb')\nwhile True: f.write(bytes(65536))",
    "many files": "for n in range(100): open(f'/data/outputs/{n}', 'w').write('x')",
    "many folders": "import os\nfor n in range(100): os.makedirs(f'/data/outputs/{n}')",
    "one file too many": "for n in range(9): open(f'/data/outputs/{n}', 'w').write('x')",
    "a sparse giant": "open('/data/outputs/x', 'wb').truncate(7 << 20)",
    "a deep tree": "import os\nos.makedirs('/data/outputs/' + '/'.join('abcdefghijkl'))",
}


@pytest.mark.parametrize("code", FILLED.values(), ids=FILLED)
def test_hole_15_too_much_output_leaves_nothing(bench: Bench, runtime: Runtime, code: str) -> None:
    report = bench.run(code, runtime)
    assert report.reason is ExitReason.TOO_MUCH_OUTPUT or report.refused == ("depth",)
    assert report.outputs == ()


REFUSED = {
    "symbolic-link": "import os; os.symlink('/etc/passwd', '/data/outputs/metrics.json')",
    "hard-link": "import os; open('/data/outputs/a', 'w'); os.link('/data/outputs/a', '/data/outputs/metrics.json')",
    "special-file": "import socket; socket.socket(socket.AF_UNIX).bind('/data/outputs/metrics.json')",
    "file-name": "open('/data/outputs/.metrics.json', 'w')",
}
MORE_REFUSED = {
    "a link to a folder": ("symbolic-link", "import os; os.symlink('/data/inputs', '/data/outputs/folder')"),
    "a row in a file name": ("file-name", "open('/data/outputs/id=17,malignant', 'w')"),
    "a name with a new line": ("file-name", "open('/data/outputs/a\\nb', 'w')"),
    "a name that is not UTF-8": ("file-name", "open(b'/data/outputs/\\xff', 'w')"),
    "a file that can't be read": (
        "unreadable",
        "import os; os.close(os.open('/data/outputs/a', os.O_CREAT, 0))",
    ),
    "a folder that can't be read": ("unreadable", "import os; os.mkdir('/data/outputs/a', 0)"),
}
CASES = {rule: (rule, code) for rule, code in REFUSED.items()} | MORE_REFUSED


@pytest.mark.parametrize(("rule", "code"), CASES.values(), ids=CASES)
def test_hole_15_what_is_not_a_plain_file_is_refused_by_rule(
    bench: Bench, runtime: Runtime, rule: str, code: str
) -> None:
    report = bench.run(code, runtime)
    assert report.reason is ExitReason.COMPLETED
    assert report.refused == (rule,)
    assert report.outputs == ()


def test_hole_12_inputs_with_the_same_name_do_not_collide(bench: Bench, runtime: Runtime) -> None:
    other = "c3" * 32
    datasets = [
        bench.dataset(b"one", b"two", names=("rows.csv", "rows.csv")),
        bench.dataset(b"three", asset_id=other, names=("rows.csv",)),
    ]
    code = f"print(*(open(f'/data/inputs/{{p}}').read() for p in ('{ASSET}/0', '{ASSET}/1', '{other}/0')))"
    assert printed(bench.run(code, runtime, datasets=datasets)) == "one two three\n"


def test_hole_12_an_input_named_like_the_parameters_cannot_replace_them(
    bench: Bench, runtime: Runtime
) -> None:
    names = ("algoCustomData.json", "../algoCustomData.json")
    datasets = [bench.dataset(b'{"stolen": 1}', b'{"stolen": 2}', names=names)]
    code = "print(open('/data/inputs/algoCustomData.json').read())"
    report = bench.run(code, runtime, datasets=datasets, parameters={"epochs": 3})
    assert json.loads(printed(report)) == {"epochs": 3}


def test_hole_13_nothing_is_reachable(bench: Bench, runtime: Runtime) -> None:
    code = """
import socket
def reach(family, address):
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(3)
        connection.connect(address)
        return "reached"
    except OSError:
        return "refused"
places = [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET, ("127.0.0.1", 2375)), (socket.AF_INET, ("172.17.0.1", 22)),
          (socket.AF_INET6, ("2001:db8::1", 80)), (socket.AF_UNIX, "/var/run/docker.sock")]
found = {reach(*place) for place in places}
try:
    socket.getaddrinfo("example.org", 80)
    found.add("resolved")
except OSError:
    pass
print(found)
"""
    assert printed(bench.run(code, runtime)) == "{'refused'}\n"


def test_hole_14_the_environment_is_ours_alone(bench: Bench, runtime: Runtime) -> None:
    report = bench.run(
        "import json, os; print(json.dumps(dict(os.environ)))", runtime, parameters={"LD_PRELOAD": "/evil.so"}
    )
    seen = json.loads(printed(report))
    layout = {
        "PATH", "LANG", "DIDS", "TRANSFORMATION_DID", "VOLUME", "INPUTS", "OUTPUTS", "LOGS", "HOME", "MPLCONFIGDIR",
        "ARROW_DEFAULT_MEMORY_POOL",
    }  # fmt: skip
    assert set(seen) - {"LC_CTYPE"} == layout | set(THREAD_VARIABLES) | set(FIXED_VARIABLES)
    assert {name: seen[name] for name in FIXED_VARIABLES} == FIXED_VARIABLES
    assert seen["PATH"].startswith("/opt/venv/bin:")


UNWRITABLE = {
    "the root": "/new",
    "the inputs": f"/data/inputs/{ASSET}/0",
    "the parameters": "/data/inputs/algoCustomData.json",
    "its own code": "/data/transformations/algorithm",
    "the init": "/sealroom/init.py",
    "the libraries": "/opt/venv/lib/python3.11/site-packages/new.py",
    "the kernel's settings": "/proc/sys/kernel/core_pattern",
    "a cgroup": "/sys/fs/cgroup/cgroup.procs",
}


@pytest.mark.parametrize("path", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_must_not_be_written_cannot_be(bench: Bench, runtime: Runtime, path: str) -> None:
    code = f"""
import os
for act in (lambda: os.chmod("{path}", 0o777), lambda: open("{path}", "w"), lambda: os.unlink("{path}")):
    try:
        act()
        print("done")
    except OSError:
        pass
"""
    assert printed(bench.run(code, runtime)) == ""


FORGE = """
import os, struct
message = b'R' + struct.pack('>I', 2) + b'{}' + bytes(32) + b'E' + bytes(4) + bytes(32)
opened = 0
for number in range(16):
    try:
        descriptor = os.open(f'/proc/1/fd/{number}', os.O_WRONLY | os.O_NONBLOCK)
        opened += 1
        os.write(descriptor, message)
    except OSError:
        pass
print('opened', opened)
open('/data/outputs/metrics.json', 'w').write('{}')
"""


def test_on_runc_the_algorithm_cannot_open_the_stream(bench: Bench) -> None:
    report = bench.run(FORGE, Runtime.RUNC)
    assert printed(report) == "opened 0\n"
    assert report.reason is ExitReason.COMPLETED


def test_a_forged_stream_hands_out_nothing(bench: Bench, runtime: Runtime) -> None:
    """On gVisor the init's stdout can be opened by its own user; the tags make that a broken stream, never an output."""
    report = bench.run(FORGE, runtime)
    if report.reason is ExitReason.COMPLETED:
        assert printed(report) == "opened 0\n"
    else:
        assert report.reason is ExitReason.STREAM_BROKEN
        assert report.reason.ran
        assert report.outputs == ()


def test_the_streams_key_cannot_be_read(bench: Bench, runtime: Runtime) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name in ("mem", "maps", "auxv"):
    try:
        descriptor = os.open(f"/proc/1/{name}", os.O_RDONLY)
        if name == "mem" or os.read(descriptor, 1) and name == "maps":
            print("read", name)
    except OSError:
        pass
buffer = ctypes.create_string_buffer(64)
local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
remote = (ctypes.c_size_t * 2)(0x400000, 64)
if libc.ptrace(16, 1, 0, 0) == 0 or libc.process_vm_readv(1, local, 1, remote, 1, 0) > 0:
    print("traced")
"""
    assert "traced" not in printed(bench.run(code, runtime))
    assert "read mem" not in printed(bench.run(code, runtime))


def test_killing_everything_in_reach_gives_nothing_away(bench: Bench, runtime: Runtime) -> None:
    code = """
import os, signal
open('/data/outputs/metrics.json', 'w').write('{}')
for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
    try: os.kill(1, number)
    except OSError: pass
"""
    report = bench.run(code, runtime)
    assert report.reason in {ExitReason.COMPLETED, ExitReason.ALGORITHM_FAILED}
    assert report.reason.ran
    assert (report.outputs == ()) == (report.reason is ExitReason.ALGORITHM_FAILED)


def test_a_process_left_behind_is_ended_before_anything_is_collected(bench: Bench, runtime: Runtime) -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: open('/data/outputs/late', 'a').write('x')
    os._exit(0)
time.sleep(0.3)
"""
    report = bench.run(code, runtime, output_bytes=16 * MIB, file_bytes=16 * MIB)
    assert report.reason is ExitReason.COMPLETED
    assert {output.path for output in report.outputs} <= {"late"}


def test_no_privilege_is_gained(bench: Bench) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
gained = []
for name, act in {
    "setuid": lambda: os.setuid(0),
    "chroot": lambda: os.chroot("/tmp"),
    "mknod": lambda: os.mknod("/scratch/sda", 0o60666, os.makedev(8, 0)),
    "nice": lambda: os.nice(-5),
    "hostname": lambda: open("/proc/sys/kernel/hostname", "w").write("x"),
}.items():
    try:
        act()
        gained.append(name)
    except OSError:
        pass
if libc.unshare(0x10000000) == 0 or libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    gained.append("namespace")
print(gained)
"""
    assert printed(bench.run(code, Runtime.RUNC)) == "[]\n"
