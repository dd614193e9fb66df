"""A server as OpenAI's protocol has it, behind which one of our deterministic models answers."""

import contextlib
import http.server
import json
import threading

from earnest.core.messages import Message, Sampling, ToolCall, ToolSpec
from earnest.core.protocols import Model


def message_of(said):
    """A message of the protocol as one of ours."""
    calls = [
        ToolCall(
            id=one["id"],
            name=one["function"]["name"],
            arguments=json.loads(one["function"]["arguments"]),
        )
        for one in said.get("tool_calls") or ()
    ]
    content, call = said.get("content") or "", said.get("tool_call_id", "")
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    return Message(role=said["role"], content=content, calls=tuple(calls), call=call)


class Served(http.server.BaseHTTPRequestHandler):
    """A model behind the protocol of OpenAI-compatible servers, streamed."""

    model: Model

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tools = [
            ToolSpec(
                name=one["function"]["name"],
                description=one["function"].get("description", ""),
                parameters=one["function"]["parameters"],
            )
            for one in asked.get("tools", ())
        ]
        messages = [message_of(one) for one in asked["messages"]]
        said = self.model.generate(messages, tools, Sampling()).message
        calls = [
            {
                "index": at,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for at, call in enumerate(said.calls)
        ]
        delta = {"role": "assistant", "content": said.content or None, "tool_calls": calls or None}
        finish = "tool_calls" if calls else "stop"
        counted = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        head = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self.model.name,
        }
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for part in (
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {"choices": [], "usage": counted},
        ):
            self.wfile.write(f"data: {json.dumps(head | part)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *words):
        pass


@contextlib.contextmanager
def serving(model):
    """Serve a model that needs nothing but the messages; yield its specification for `--model`."""
    handler = type("Handler", (Served,), {"model": model})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1#{model.name}"
        finally:
            server.shutdown()
