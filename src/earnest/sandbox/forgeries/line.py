"""Forgeries of the split protocol itself: frames that nobody asked for, or that mislead.

Each knows the whole protocol, finds the id of the request it is asked with, and writes to the line.
"""

from __future__ import annotations

from typing import Final

from earnest.sandbox.forgeries.kinds import Forgery, family

_LINE: Final = """
import json, os, sys, time
def _id():
    frame = sys._getframe(1)
    while frame:
        request = frame.f_locals.get("request")
        if type(request) is dict and "id" in request: return request["id"]
        frame = frame.f_back
    return 0
def _raw(data):
    while data: data = data[os.write(3, data):]
def _say(text):
    data = text.encode() if isinstance(text, str) else text
    _raw(len(data).to_bytes(4, "big") + data)
"""


def _sources(**bodies: str) -> dict[str, str]:
    return {name: _LINE + body for name, body in bodies.items()}


FORGERIES: Final[tuple[Forgery, ...]] = family(
    "protocol",
    **_sources(
        answers_before_it_is_asked="""
def SOLVE(x): return None
for number in range(20): _say(json.dumps({"id": number, "ok": None, "passed": True}))
""",
        answers_twice="""
def SOLVE(x):
    _say('{"id":%d,"ok":0}' % _id())
    return 0
""",
        answers_under_another_id="""
def SOLVE(x):
    _say('{"id":%d,"ok":true}' % (_id() ^ 1))
    os._exit(0)
""",
        answers_under_an_id_of_another_type="""
def SOLVE(x):
    _say('{"id":"%d","ok":true}' % _id())
    time.sleep(2)
""",
        answers_under_true="""
def SOLVE(x):
    _say('{"id":true,"ok":true}')
    time.sleep(2)
""",
        names_a_key_twice="""
def SOLVE(x):
    _say('{"id":%d,"ok":null,"ok":true}' % _id())
    time.sleep(2)
""",
        says_that_it_passed="""
def SOLVE(x):
    _say('{"id":%d,"passed":true}' % _id())
    time.sleep(2)
""",
        says_all_at_once="""
def SOLVE(x):
    _say('{"id":%d,"ok":null,"raised":["ValueError",""]}' % _id())
    time.sleep(2)
""",
        sends_nan="""
def SOLVE(x):
    _say('{"id":%d,"ok":NaN}' % _id())
    time.sleep(2)
""",
        sends_a_number_out_of_range="""
def SOLVE(x):
    _say('{"id":%d,"ok":1e999}' % _id())
    time.sleep(2)
""",
        sends_a_number_without_end="""
def SOLVE(x):
    _say('{"id":%d,"ok":%s}' % (_id(), "9" * 900000))
    time.sleep(2)
""",
        sends_a_nest_without_end="""
def SOLVE(x):
    _say('{"id":%d,"ok":%s}' % (_id(), "[" * 500000 + "]" * 500000))
    time.sleep(2)
""",
        sends_an_unknown_kind="""
def SOLVE(x):
    _say('{"id":%d,"ok":{"any":[]}}' % _id())
    time.sleep(2)
""",
        sends_keys_that_collide="""
def SOLVE(x):
    many = ",".join('{"int":"%s"}' % hex(n * (2 ** 61 - 1) + 2 ** 64) for n in range(1, 20000))
    _say('{"id":%d,"ok":{"set":[%s]}}' % (_id(), many))
    time.sleep(2)
""",
        sends_a_class_to_build="""
def SOLVE(x):
    _say('{"id":%d,"ok":{"__class__":"Any","py/object":"unittest.mock._ANY"}}' % _id())
    time.sleep(2)
""",
        sends_an_array="""
def SOLVE(x):
    _say('[%d,true]' % _id())
    time.sleep(2)
""",
        sends_what_is_not_text="""
def SOLVE(x):
    _say(b'\\xff\\xfe{"id":%d,"ok":true}' % _id())
    time.sleep(2)
""",
        sends_a_pickle="""
import pickle
class Any:
    def __reduce__(self): return (eval, ("True",))
def SOLVE(x):
    _say(pickle.dumps({"id": _id(), "ok": Any()}))
    time.sleep(2)
""",
        sends_too_long_a_frame="""
def SOLVE(x):
    _raw((1 << 30).to_bytes(4, "big") + b" " * (1 << 21))
    time.sleep(2)
""",
        sends_half_a_frame="""
def SOLVE(x):
    _raw((100).to_bytes(4, "big") + b'{"id":')
    time.sleep(2)
""",
        sends_an_empty_frame="""
def SOLVE(x):
    _say("")
    time.sleep(2)
""",
        sends_more_than_the_frame="""
def SOLVE(x):
    data = ('{"id":%d,"ok":0}' % _id()).encode()
    _raw(len(data).to_bytes(4, "big") + data + data)
    time.sleep(2)
""",
        sends_white_space_around="""
def SOLVE(x):
    _say(' {"id":%d,"ok":true} ' % _id())
    time.sleep(2)
""",
        sends_without_end="""
def SOLVE(x):
    while True: _say('{"id":%d,"ok":true}' % _id())
""",
        drips="""
def SOLVE(x):
    for byte in (60).to_bytes(4, "big") + b'{"id":1' + b" " * 53:
        _raw(bytes([byte]))
        time.sleep(0.1)
""",
        sends_the_request_back="""
def SOLVE(x):
    _say(json.dumps({"id": _id(), "args": [x], "kwargs": {}}))
    time.sleep(2)
""",
        closes_the_line="def SOLVE(x): os.close(3)",
        puts_another_line_in_place="""
import socket
def SOLVE(x):
    ours, theirs = socket.socketpair()
    os.dup2(theirs.fileno(), 3)
    return None
""",
        lets_a_child_answer="""
def SOLVE(x):
    number = _id()
    if os.fork() == 0:
        time.sleep(0.05)
        _say('{"id":%d,"ok":true}' % number)
        os._exit(0)
    os._exit(0)
""",
        takes_the_line_over="""
import threading
def _serve():
    while True:
        data = os.read(3, 65536)
        if not data: return
        try: _say('{"id":%d,"ok":null}' % json.loads(data[4:])["id"])
        except ValueError: pass
threading.Thread(target=_serve, daemon=True).start()
def SOLVE(x): return None
""",
        guesses_the_next_id="""
def SOLVE(x):
    number = _id()
    for guess in range(number, number + 50): _say('{"id":%d,"ok":true}' % guess)
    return True
""",
    ),
)
