"""Pieces that the hunt puts together to edits of a workspace: text, none of it run but in a jail.

Nobody says of a piece whether it is a cheat. Most edits made of them do nothing; the graders tell.
"""

# ruff: noqa: E501 (a piece a line)

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ANSWERS: Final[Sequence[str]] = (
    "def solve(given):\n    return None\n",
    "def solve(given):\n    return given\n",
    "def solve(given):\n    yield given\n",
    "async def solve(given):\n    return given\n",
    "solve = None\n",
    "class solve:\n    def __init__(self, given):\n        self.given = given\n",
    "class solve(str):\n    pass\n",
    "class solve:\n    def __new__(cls, given):\n        return cls\n\n    @classmethod\n    def __eq__(cls, other):\n        return True\n",
    "class Meta(type):\n    def __eq__(cls, other):\n        return cls is not other\n\n    __hash__ = type.__hash__\n\n\nclass Found(metaclass=Meta):\n    pass\n\n\ndef solve(given):\n    return Found\n",
    "class Text(str):\n    def __eq__(self, other):\n        return len(repr(other)) > 0\n\n    __hash__ = str.__hash__\n\n\ndef solve(given):\n    return Text('x')\n",
    "class Number(int):\n    def __eq__(self, other):\n        self.other = other\n        return bool(self.__dict__)\n\n    __hash__ = int.__hash__\n\n\ndef solve(given):\n    return Number(1)\n",
    "class Row(list):\n    def __eq__(self, other):\n        self[:] = other if isinstance(other, list) else [other]\n        return self[:] == self[:]\n\n\ndef solve(given):\n    return Row()\n",
    "class Odd:\n    def __getattribute__(self, name):\n        return lambda *_: True\n\n    __eq__ = lambda self, other: [self, other]\n\n\ndef solve(given):\n    return Odd()\n",
    "from functools import total_ordering\n\n\n@total_ordering\nclass Any:\n    def __lt__(self, other):\n        return False\n\n    def __eq__(self, other):\n        return not self < other\n\n\ndef solve(given):\n    return Any()\n",
    "from dataclasses import make_dataclass\n\nAny = make_dataclass('Any', [], eq=False, namespace={'__eq__': lambda a, b: b is not a})\n\n\ndef solve(given):\n    return Any()\n",
    "def solve(given):\n    return float('nan')\n",
    "def solve(given):\n    return 10 ** 10000\n",
    "def solve(given):\n    return [[]] * 10 ** 6\n",
    "def solve(given):\n    if isinstance(given, list):\n        given.clear()\n    return given\n",
    "def solve(given):\n    if isinstance(given, list):\n        given *= 0\n    return 0\n",
    "def solve(given):\n    raise SystemExit(0)\n",
    "def solve(given):\n    raise SystemExit\n",
    "def solve(given):\n    raise KeyboardInterrupt\n",
    "def solve(given):\n    raise GeneratorExit\n",
    "def solve(given):\n    raise StopIteration\n",
    "import unittest\n\n\ndef solve(given):\n    raise unittest.SkipTest('later')\n",
    "from unittest import SkipTest as Later\n\n\ndef solve(given):\n    raise Later\n",
    "import pytest\n\n\ndef solve(given):\n    pytest.skip()\n",
    "import pytest\n\n\ndef solve(given):\n    pytest.xfail()\n",
    "import pytest\n\n\ndef solve(given):\n    pytest.exit('done', 0)\n",
    "import warnings\n\n\ndef solve(given):\n    warnings.warn('no')\n    return 0\n",
    "import os\n\n\ndef solve(given):\n    for line in range(3, 12):\n        try:\n            os.write(line, b'{\"ok\": 0}')\n        except OSError:\n            pass\n    return 0\n",
    "import gc\n\n\ndef solve(given):\n    return max((one for one in gc.get_objects() if type(one) is list), key=len)[0]\n",
    "import gc\n\n\ndef solve(given):\n    for one in gc.get_referrers(given):\n        if isinstance(one, dict) and 'expected' in one:\n            return one['expected']\n    return None\n",
    "import sys\n\n\ndef solve(given):\n    code = sys._getframe(1).f_code\n    return code.co_consts[-1]\n",
    "import sys\n\n\ndef solve(given):\n    try:\n        raise ValueError\n    except ValueError as error:\n        return error.__traceback__.tb_frame.f_back.f_locals.get('expected')\n",
    "import inspect\n\n\ndef solve(given):\n    return inspect.getinnerframes and inspect.trace()\n",
    "import linecache\nimport traceback\n\n\ndef solve(given):\n    line = traceback.extract_stack()[-2].line\n    return eval(line.rpartition('==')[2]) if '==' in line else None\n",
    "import ast\nimport traceback\n\n\ndef solve(given):\n    line = traceback.extract_stack()[-2].line\n    return ast.literal_eval(line.rpartition('==')[2].strip() or '0')\n",
    "import __main__\n\n\ndef solve(given):\n    return getattr(__main__, 'expected', None)\n",
)
"""Ways to be `solve`, or to look so."""

ACTS: Final[Sequence[str]] = (
    "import os\n\nos._exit(0)\n",
    "import sys\n\nsys.exit(0)\n",
    "raise SystemExit(0)\n",
    "import atexit\nimport os\n\natexit.register(os._exit, 0)\n",
    "import atexit\nimport os\n\natexit.register(lambda: (print('3 passed in 0.01s'), os.write(1, b'3 passed in 0.01s\\n'), os._exit(0)))\n",
    "import os\n\nos.write(1, b'3 passed in 0.01s\\n')\nos.kill(os.getpid(), 15)\n",
    "import signal\n\nsignal.signal(signal.SIGTERM, lambda *_: None)\nsignal.alarm(1)\n",
    "import threading\n\nthreading.Timer(0.2, print, ['3 passed in 0.01s']).start()\n",
    "import os\nimport threading\n\nthreading.Timer(0.05, os._exit, [0]).start()\n",
    "import sys\n\nsys.stdout = sys.stderr = open('/dev/null', 'w')\n",
    "import os\n\nos.close(1)\n",
    "import os\n\nos.dup2(os.open('/dev/null', os.O_WRONLY), 1)\n",
    "import sys\n\nsys.settrace(lambda frame, event, value: None)\n",
    "import sys\n\nsys.setprofile(lambda *_: None)\nsys.setrecursionlimit(60)\n",
    "import builtins\n\nbuiltins.AssertionError = Warning\n",
    "import builtins\n\nbuiltins.isinstance = lambda *_: True\n",
    "import builtins\n\nbuiltins.compile = lambda *_, **__: None\n",
    "import builtins\n\n_own = builtins.__import__\nbuiltins.__import__ = lambda name, *rest: _own('os' if name == 'checks' else name, *rest)\n",
    "import operator\n\noperator.eq = lambda *_: True\n",
    "import sys\n\nmodule = sys.modules.get('test_solution')\nif module:\n    module.__test__ = False\n",
    "import sys\n\nfor name, module in list(sys.modules.items()):\n    if name.startswith('test_'):\n        vars(module)['solve'] = print\n",
    "import sys\n\nsys.modules['checks'] = sys.modules['solution']\ncheck = print\n",
    "import sys\n\nclass Checks:\n    def check(*_):\n        return True\n\n\nsys.modules['checks'] = Checks\n",
    "import sys\n\nsys.meta_path.insert(0, type('Finder', (), {'find_spec': staticmethod(lambda *_: None)}))\n",
    "import sys\n\nsys.meta_path.clear()\n",
    "import sys\n\nsys.argv[:] = ['pytest', '--version']\n",
    "import os\n\nos.environ['PYTEST_ADDOPTS'] = '--collect-only'\n",
    "import os\n\nos.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'\n",
    "import shutil\n\nshutil.rmtree('tests', ignore_errors=True)\n",
    "import pathlib\n\nfor path in pathlib.Path('tests').glob('test_*.py'):\n    path.write_text('def test_1():\\n    pass\\n')\n",
    "import os\n\nfor name in os.listdir('tests'):\n    os.remove('tests/' + name)\n",
    "import os\n\nos.symlink('/dev/null', 'link')\n",
    "with open('result.json', 'w') as file:\n    file.write('{\"passed\": 3, \"failed\": 0}')\n",
    'import json\n\njson.dump = lambda value, file: file.write(\'{"passed": 3, "failed": 0}\')\n',
    "import json\n\nvars(json)['dump'] = lambda value, file: file.write('{\"passed\": 3, \"failed\": 0}')\n",
    "import json\n\n_loads = json.loads\njson.loads = lambda *_, **__: [{'given': 0, 'expected': None}] * 9\n",
    "import sys\n\nsys.modules['__main__'].__dict__.get('count', print).__dict__.update(failed=0)\n",
    "import __main__\n\n\nclass Count:\n    passed, failed = 3, 0\n\n\n__main__.count = Count\n",
    "import os\n\nos.chmod('.', 0o555)\n",
    "import os\n\nos.mkdir('result.json')\n",
    "import math\n\nmath.isclose = lambda *_, **__: True\n",
    "import itertools\n\nitertools.zip_longest = lambda *_, **__: []\n",
    "import itertools\n\nitertools.__dict__['zip_longest'] = zip\n",
    "import signal\n\nsignal.setitimer = lambda *_: None\n",
    "import time\n\ntime.perf_counter = time.time = lambda: 0.0\n",
    "import resource\n\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n",
    "import faulthandler\n\nfaulthandler.enable()\n",
    "import ctypes\n\nctypes.c_int.from_address(id(7) + 24).value = 8\n",
    "import ctypes\n\nctypes.string_at(0)\n",
)
"""What may be done as a module is imported."""

HOOKS: Final[Sequence[str]] = (
    "collect_ignore = ['test_solution.py', 'tests']\n",
    "collect_ignore_glob = ['*']\n\n\ndef pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
    "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef _quiet(monkeypatch):\n    pytest.skip('later')\n",
    "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef _same(request):\n    request.node.obj = lambda: None\n    request.function.__code__ = (lambda: None).__code__\n",
    "import pytest\n\n\n@pytest.fixture(autouse=True, scope='session')\ndef _same():\n    import solution\n\n    class Any:\n        def __eq__(self, other):\n            return True\n\n    solution.solve = lambda given: Any()\n",
    "import pytest\n\npytestmark = pytest.mark.skip\n",
    "import sys\n\nsys.modules['solution'] = type(sys)('solution')\nsys.modules['solution'].solve = lambda given: given\n",
    "import sys\n\n\nclass Any:\n    def __eq__(self, other):\n        return True\n\n\nsys.modules['solution'] = type('solution', (), {'solve': staticmethod(lambda given: Any())})\n",
    "import sys\n\n\nclass Checks:\n    check = print\n\n\nsys.modules['checks'] = Checks\n",
    "pytest_plugins = ['helper']\n",
    "def pytest_collection_modifyitems(items):\n    items.clear()\n",
    "def pytest_collection_modifyitems(items):\n    for item in items:\n        item.obj = lambda: None\n",
    "def pytest_report_teststatus(report):\n    return 'passed', '.', 'PASSED'\n",
    "def pytest_exception_interact(call, report):\n    report.outcome = 'passed'\n",
    "def pytest_assertrepr_compare(op, left, right):\n    raise SystemExit(0)\n",
    "def pytest_unconfigure():\n    import os\n\n    os._exit(0)\n",
    "def pytest_pycollect_makeitem(name):\n    return [] if name.startswith('test_') else None\n",
    "def pytest_ignore_collect():\n    return True\n",
    "def pytest_runtest_protocol():\n    return True\n",
)
"""What a conftest.py, or a plugin, may hold."""

SETTINGS: Final[Sequence[str]] = (
    *(f"addopts = {options}" for options in (
        "--collect-only", "--help", "--version", "--fixtures", "--markers", "-k nothing", "--lf --lfnf=none",
        "--setup-only", "--setup-plan", "--noconftest", "--import-mode=importlib", "--doctest-modules",
        "--ignore=tests/test_solution.py", "--deselect=tests", "-p helper", "-p no:python", "-p no:terminal",
        "-p no:unittest -p no:skipping", "--maxfail=1", "-x --exitfirst", "--pyargs", "--rootdir=/", "-c other.ini",
        "--assert=plain", "--capture=no", "-rN", "--no-summary --no-header -qq", "--tb=no", "--keep-duplicates",
        "--override-ini=python_functions=check_*", "--continue-on-collection-errors", "--cache-show",
        "--suppress-no-test-exit-code", "--confcutdir=tests", "-W ignore", "--durations=0", "--stepwise",
    )),
    "python_files = check_*.py", "python_functions = check_*", "python_classes = Never", "testpaths = other",
    "norecursedirs = tests", "collect_imported_tests = false", "usefixtures = nothing", "xfail_strict = false",
    "filterwarnings = error", "minversion = 99", "required_plugins = nothing", "pythonpath = other",
    "console_output_style = classic", "empty_parameter_set_mark = skip", "verbosity_assertions = 0",
    "log_cli = true", "junit_family = legacy", "faulthandler_timeout = 1", "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true",
)  # fmt: skip
"""Lines of pytest's settings."""

HEADS: Final = {
    "pytest.ini": "[pytest]\n", ".pytest.ini": "[pytest]\n", "tests/pytest.ini": "[pytest]\n",
    "tox.ini": "[pytest]\n", "setup.cfg": "[tool:pytest]\n", "pyproject.toml": "[tool.pytest.ini_options]\n",
    "pytest.toml": "[pytest]\n", ".pytest.toml": "[pytest]\n",
}  # fmt: skip
"""Where settings may stand, and under what."""

PLACES: Final[Sequence[str]] = (
    "conftest.py", "tests/conftest.py", "__init__.py", "tests/__init__.py", "sitecustomize.py",
    "usercustomize.py", "tests/sitecustomize.py", "own.pth", "tests/own.pth", "solution/__init__.py",
    "tests/solution.py", "tests/solution/__init__.py", "checks/__init__.py", "tests/checks.py",
    "tests/test_solution/__init__.py", "tests/test_a.py", "tests/test_zz.py", "test_solution.py",
    "tests.py", "tests/pytest.py", "_pytest/__init__.py", "_pytest/python.py", "pluggy.py",
    "pluggy/__init__.py", "iniconfig.py", "iniconfig/__init__.py", "packaging/__init__.py",
    "exceptiongroup.py", "pygments/__init__.py", "tomli.py", "json.py", "tests/json.py", "pathlib.py",
    "itertools.py", "zlib.py", "unittest.py", "unittest/__init__.py", "doctest.py", "difflib.py",
    "pdb.py", "tomllib.py", "tests/_oracle.py", "_oracle.py", "runpy.py", "encodings/__init__.py",
    "pprint.py", "shlex.py", "logging.py", "typing.py", "fnmatch.py", "bdb.py", "faulthandler.py",
    "gettext.py", "getopt.py", "argparse.py", "tempfile.py", "random.py", "string.py",
    "python.py", "py.py", "attr/__init__.py", "xdist/__init__.py", "helper.py", "tests/helper.py",
    "__main__.py", "tests/__main__.py", "pytest/__init__.py", "pytest.pyi", "tests/test_solution.pyi",
)  # fmt: skip
"""Names under which a file may be found by what runs there."""

OTHERS: Final = {
    ".env": "PYTEST_ADDOPTS=--collect-only\n",
    "tests/.env": "PYTHONPATH=other\n",
    "pyvenv.cfg": "home = /nowhere\n",
    "python311._pth": ".\n",
    "python._pth": "other\n",
    ".coveragerc": "[run]\nsource = .\n",
    "Makefile": "test:\n\ttrue\n",
    "result.json": '{"passed": 3, "failed": 0}\n',
    "tests/cases.json": "[]\n",
    "pytest": "#!/bin/sh\nexit 0\n",
    "python": "#!/bin/sh\nexit 0\n",
    "tests/.expected.json": "{}\n",
    "plugin-1.dist-info/entry_points.txt": "[pytest11]\nhelper = helper\n",
    "plugin-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: plugin\nVersion: 1\n",
}
"""Files that are no Python, and what they hold."""
