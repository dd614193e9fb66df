"""Running a Python program in an interpreter that runs already, as if it had just been started.

It runs in a jail, in a zygote's child (`zygote.py` loads it from its text), and imports nothing of
ours. Not covered: options of the interpreter; standard input is empty; a module that the zygote has
imported is there before the program imports it.
"""

# ruff: noqa: PTH100, PTH109, PTH120, PTH123, S102
# (pathlib would take time to import)

from __future__ import annotations

import atexit
import os
import sys
import types


def _refresh(module: types.ModuleType) -> None:
    """Make the interpreter look as if it had just started, and draw numbers of its own."""
    sys.modules["__main__"], module.__annotations__ = module, {}
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:  # Python's own generator seeds itself after a fork
        numpy_random.seed()


def run_python(words: list[str]) -> int:
    """Run a Python program to its end, its threads and exit handlers too; return its code."""
    module = types.ModuleType("__main__")
    _refresh(module)
    try:
        if words[0] == "-m":
            import runpy

            sys.argv = ["-m", *words[2:]]
            sys.path.insert(0, os.getcwd())
            runpy._run_module_as_main(words[1])  # type: ignore[attr-defined] # as Python does
            return _end(0)
        if words[0] == "-c":
            sys.argv, source, name = ["-c", *words[2:]], words[1].encode(), "<string>"
            sys.path.insert(0, "")
        else:
            sys.argv, name = list(words), os.path.abspath(words[0])
            sys.path.insert(0, os.path.dirname(name))
            module.__file__ = name
            try:
                with open(name, "rb") as file:
                    source = file.read()
            except OSError as error:
                told = f"[Errno {error.errno}] {error.strerror}"
                sys.stderr.write(f"{sys.executable}: can't open file {name!r}: {told}\n")
                return 2
        exec(compile(source, name, "exec"), module.__dict__)
    except SystemExit as leaving:
        return _end(_code(leaving))
    except BaseException as error:  # noqa: BLE001 - it is told as Python itself would tell it
        return _failed(error)
    return _end(0)


def _code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def _failed(error: BaseException) -> int:
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without our frame
    sys.excepthook(type(error), error, error.__traceback__)
    return _end(130 if isinstance(error, KeyboardInterrupt) else 1)


def _end(code: int) -> int:
    """Do what the interpreter does at its end."""
    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()
    return code
