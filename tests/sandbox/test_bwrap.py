import itertools
import json
import os
import threading
from pathlib import Path

import pytest

from earnest.core.errors import EarnestError
from earnest.core.jobs import DATA, WORK, Job, Limits

SHORT = Limits(wall_s=10, cpu_s=5)


def test_a_program_runs_and_its_files_come_back(jail):
    result = jail.python(
        "import os; print(os.getcwd()); os.makedirs('a/b'); open('a/b/out', 'wb').write(b'\\0x')",
        files={"given/by us.txt": b"\xff"},
    )
    assert result.ok, result
    assert result.stdout == f"{WORK}\n"
    assert set(result.files) == {"main.py", "given/by us.txt", "a/b/out"}
    assert result.files["a/b/out"] == b"\0x"
    assert result.files["given/by us.txt"] == b"\xff"
    assert not result.truncated


def test_large_files_go_in_and_out(jail):
    data = os.urandom(1 << 20) * 40
    result = jail.python("open('b', 'wb').write(open('a', 'rb').read()[::-1])", files={"a": data})
    assert result.ok, result
    assert result.files["b"] == data[::-1]


def test_nothing_comes_back_unless_asked_for(jail):
    result = jail.python("open('x', 'w'); print(1)", collect=False)
    assert (result.ok, result.stdout, dict(result.files)) == (True, "1\n", {})


def test_exit_codes_and_signals(jail):
    assert (result := jail.python("raise SystemExit(7)")).ended == "exit"
    assert result.status == 7
    assert (result := jail.python("import os; os.kill(os.getpid(), 11)")).ended == "signal"
    assert result.status == 11
    result = jail.python("1/0")
    assert (result.ended, result.status) == ("exit", 1)
    assert "ZeroDivisionError" in result.stderr


def test_other_programs_and_missing_ones(jail):
    result = jail.run(Job(("/bin/sh", "-c", "echo $0 $1; exit 3", "a", "b"), limits=SHORT))
    assert (result.status, result.stdout) == (3, "a b\n")
    result = jail.run(Job(("/nothing",), limits=SHORT))
    assert result.status == 127
    assert "/nothing" in result.stderr


def test_standard_input_is_empty(jail):
    assert jail.python("import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_packages_come_from_the_image_and_modules_from_the_workspace(jail):
    result = jail.python(
        "import helper, numpy\nprint(helper.x, numpy.__file__)\n"
        "try:\n import earnest\nexcept ImportError:\n print('absent')\n",
        files={"helper.py": b"x = 5"},
    )
    assert result.stdout.splitlines() == [
        "5 /earnest-jail/image/numpy/__init__.py",
        "absent",
    ], result


def test_cached_bytecode_is_used(jail):
    result = jail.python(
        "import pandas, os\nprint(os.path.exists(pandas.__cached__), pandas.__cached__)"
    )
    assert result.stdout.startswith("True /earnest-jail/image/pandas/__pycache__/"), result


def test_the_environment_is_ours_alone(jail):
    result = jail.python("import os, json; print(json.dumps(dict(os.environ)))")
    assert set(json.loads(result.stdout)) == {
        "HOME",
        "JE_ARROW_MALLOC_CONF",
        "LANG",
        "MPLBACKEND",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "TMPDIR",
        "TZ",
    }


def test_temporary_files_work_and_stay(jail):
    result = jail.python("import tempfile; print(tempfile.NamedTemporaryFile(delete=False).name)")
    assert result.stdout.startswith(f"{WORK}/.tmp/")
    assert set(result.files) == {"main.py"}


def test_folders_are_mounted_read_only_also_when_private(jail, outside):
    for mode in (0o644, 0o600):
        folder = outside / f"{jail.mode}-{mode:o}"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "t.csv").write_text("a\n1\n")
        (folder / "deep" / "t.csv").chmod(mode)
        (folder / "link").symlink_to("/etc/passwd")
        if jail.mode == "user" and os.geteuid() == 0:
            for path in (folder, folder / "deep", folder / "deep" / "t.csv"):
                os.chown(path, 54321, 54321)
        result = jail.python(
            f"print(open('{DATA}/x/deep/t.csv').read())\n"
            f"try:\n open('{DATA}/x/deep/t.csv', 'a')\nexcept OSError as e:\n print(e.errno)\n"
            f"try:\n open('{DATA}/x/link')\nexcept OSError as e:\n print(e.errno)\n",
            ro_mounts={f"{DATA}/x": folder},
        )
        first, value, refusal, missing = result.stdout.split()
        assert (first, value, missing) == ("a", "1", "2"), result
        assert refusal in ("13", "30")
        assert (folder / "deep" / "t.csv").read_text() == "a\n1\n"


@pytest.mark.parametrize(
    "inner", ["/etc", f"{DATA}/../work", WORK, "/", "data", f"{DATA}/", f"{DATA}/."]
)
def test_folders_can_only_be_mounted_below_data(jail, outside, inner):
    with pytest.raises(EarnestError, match=r"mounted at|can't"):
        jail.python("1", ro_mounts={inner: outside})


def test_folders_must_exist_and_not_overlap(jail, outside):
    with pytest.raises(EarnestError, match="no folder"):
        jail.python("1", ro_mounts={DATA: outside / "none"})
    with pytest.raises(EarnestError, match="within another"):
        jail.python("1", ro_mounts={DATA: outside, f"{DATA}/b": outside})


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", ".", ".tmp/x", "a//b", "a\0b"])
def test_files_can_only_be_given_within_the_workspace(jail, name):
    with pytest.raises(EarnestError, match="can't be a file"):
        jail.run(Job(("python", "-c", "1"), files={name: b""}))


def test_what_a_sandbox_can_not_give_is_refused(jail):
    with pytest.raises(EarnestError, match="absolute path"):
        jail.run(Job(("sh",)))
    with pytest.raises(EarnestError, match="fit into"):
        jail.python("1", files={"a": bytes(2 << 20)}, limits=Limits(workspace_mib=1))


def test_out_of_time(jail):
    result = jail.python(
        "open('kept', 'w').write('x')\nprint('said', flush=True)\nimport time; time.sleep(60)",
        limits=Limits(wall_s=3),
    )
    assert (result.ended, result.status, result.stdout) == ("timeout", -1, "said\n")
    assert result.files["kept"] == b"x"
    assert result.wall_s < 10


def test_out_of_processor_time(jail):
    result = jail.python("while True: pass", limits=Limits(wall_s=20, cpu_s=1))
    assert result.ended == "timeout"
    assert result.wall_s < 15


def test_time_out_reaches_daemons_that_ignore_everything(jail):
    source = """
import os, signal, time
for n in range(1, 32):
    try: signal.signal(n, signal.SIG_IGN)
    except OSError: pass
for _ in range(3):
    if os.fork() == 0: os.setsid()
while True: time.sleep(1)
"""
    result = jail.python(source, limits=Limits(wall_s=1))
    assert result.ended == "timeout"
    assert result.wall_s < 10


def test_leftovers_end_with_the_program(jail):
    source = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(2)
    open('late', 'w')
    time.sleep(60)
print('over')
"""
    result = jail.python(source)
    assert (result.ok, result.stdout) == (True, "over\n")
    assert "late" not in result.files
    assert result.wall_s < 2


def test_memory_of_a_process(jail):
    source = "x = bytearray({} << 20); print('got it')"
    limits = Limits(memory_mib=512, wall_s=20)
    assert jail.python(source.format(200), limits=limits).ok
    result = jail.python(source.format(700), limits=limits)
    assert "MemoryError" in result.stderr


def test_number_of_processes(jail):
    source = """
import os, time
count = 0
try:
    while count < 40:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count)
"""
    few = jail.python(source, limits=Limits(processes=10, wall_s=20))
    many = jail.python(source, limits=Limits(processes=64, wall_s=20))
    assert (few.stdout, many.stdout) == ("9\n", "40\n")


def test_a_fork_bomb_ends(jail):
    source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    result = jail.python(source, limits=Limits(processes=32, wall_s=1.5))
    assert result.ended == "timeout"
    assert result.wall_s < 12
    assert jail.python("print(1)").ok


def test_the_workspace_is_limited(jail):
    source = """
written = 0
try:
    for n in range(64):
        with open(f'f{n}', 'wb') as file:
            for _ in range(4):
                written += file.write(bytes(1 << 18))
                file.flush()
except OSError as error:
    print(error.errno, written >> 20)
"""
    result = jail.python(source, limits=Limits(workspace_mib=8))
    errno, written = map(int, result.stdout.split())
    assert (errno, written) in [(28, 7), (28, 8)]
    assert result.ended in ("exit", "too-much")


def test_a_file_is_limited_and_sparse_ones_count_in_full(jail):
    source = """
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: os.truncate(os.open('big', os.O_CREAT | os.O_RDWR), 1 << 40)
except OSError as error: print(error.errno)
for n in range({}): os.truncate(os.open(f's{{n}}', os.O_CREAT | os.O_RDWR), 6 << 20)
"""
    limits = Limits(workspace_mib=8)
    fits = jail.python(source.format(1), limits=limits)
    assert (fits.ended, fits.stdout) == ("exit", "27\n")
    assert fits.files["s0"] == bytes(6 << 20)
    assert jail.python(source.format(3), limits=limits).ended == "too-much"


def test_too_many_files_and_too_deep_ones(jail):
    many = "for n in range({}): open(f'f{{n}}', 'w')"
    assert len(jail.python(many.format(1000)).files) == 1001
    result = jail.python(many.format(5000))
    assert (result.ended, len(result.files)) == ("too-much", 4096)
    assert "[sandbox: more files" in result.stderr
    deep = "import os\nfor _ in range({}): os.mkdir('d'); os.chdir('d')\nopen('x', 'w')"
    assert "d/" * 20 + "x" in jail.python(deep.format(20)).files
    assert jail.python(deep.format(2000)).ended == "too-much"


def test_output_is_cut_but_not_blocked(jail):
    source = "import sys\nfor _ in range(200): print('x' * 99999)\nprint('end', file=sys.stderr)"
    result = jail.python(source, limits=Limits(output_bytes=1000, wall_s=20))
    assert (result.ended, result.status, result.truncated) == ("exit", 0, True)
    assert (result.stdout, result.stderr) == ("x" * 1000, "end\n")


def test_output_that_is_not_text(jail):
    assert jail.python("import os; os.write(1, b'\\xff\\x00a')").stdout == "�\0a"


def test_open_files_are_limited(jail):
    source = "f = []\ntry:\n while len(f) < 100: f.append(open('main.py'))\nexcept OSError: pass\n"
    source += "print(len(f))"
    few = jail.python(source, limits=Limits(open_files=20))
    assert 5 < int(few.stdout) < 20
    assert jail.python(source).stdout == "100\n"


def test_only_regular_files_come_back(jail):
    source = """
import os, socket
open('plain', 'w').write('p')
os.symlink('/etc/passwd', 'link'); os.symlink('/', 'root'); os.symlink('plain', 'near')
os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('socket')
open('shut', 'w').write('s'); os.chmod('shut', 0)
os.mkdir('closed'); open('closed/in', 'w').write('c'); os.chmod('closed', 0)
open(b'\\xff', 'w')
os.link('plain', 'hard')
"""
    result = jail.python(source)
    assert result.ok, result
    contents = {name: data for name, data in result.files.items() if name != "main.py"}
    assert contents == {"plain": b"p", "shut": b"s", "closed/in": b"c", "hard": b"p"}


def test_jails_run_side_by_side(jail):
    source = (
        "import time; began = time.monotonic(); time.sleep(2); print({}, began, time.monotonic())"
    )
    found: dict[int, list[str]] = {}

    def one(number):
        found[number] = jail.python(source.format(number)).stdout.split()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: said[0] for n, said in found.items()} == {n: str(n) for n in range(6)}
    times = sorted((float(began), float(ended)) for _, began, ended in found.values())
    assert any(later < ended for (_, ended), (later, _) in itertools.pairwise(times))


def test_the_program_is_nobody_and_not_root(jail):
    source = """
import os
print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups())
for line in open('/proc/self/status'):
    if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:')): print(*line.split())
print('owner of /usr', os.stat('/usr/bin').st_uid)
"""
    lines = jail.python(source).stdout.splitlines()
    assert lines[0].startswith("1000 1000 1000")
    facts = dict(line.split() for line in lines[1:8])
    assert all(set(value) == {"0"} for name, value in facts.items() if name.startswith("Cap"))
    assert (facts["NoNewPrivs:"], facts["Seccomp:"]) == ("1", "2")
    assert lines[8] == "owner of /usr 65534"  # root is no one here: had it stayed, it were 1000


def test_what_is_there_to_see(jail):
    source = "import os; print(sorted(os.listdir('/'))); print(sorted(os.listdir('/earnest-jail')))"
    result = jail.python(source, files={})
    top, inner = (set(eval(line)) for line in result.stdout.splitlines())  # noqa: S307
    home = {Path(path).parts[1] for path in (os.path.realpath(os.sys.executable),)}
    allowed = {"bin", "lib", "lib64", "usr", "etc", "proc", "dev", "earnest-jail"} | home
    assert top <= allowed
    assert inner == {"image", "work"}
