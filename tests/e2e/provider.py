"""An OpenAI-compatible server on loopback, whose answers come when a test says so."""

import json
import select
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "The answer is 4."
PLAN = {"steps": [{"description": "Answer.", "effect": "read"}]}
PLANNING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "plan", "arguments": json.dumps(PLAN)},
        }
    ],
}


class Provider:
    """`asked` once somebody asks, `left` once somebody hangs up before his answer."""

    def __init__(self) -> None:
        self.asked, self.answers, self.left = threading.Event(), threading.Event(), threading.Event()
        self.requests: list[Any] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"provider": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def variables(self) -> dict[str, str]:
        address = f"http://{self.place}/v1"
        return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": address, "MIXUS_MODEL": "rehearsal"}

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self.answers.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.provider.requests.append(json.loads(self.rfile.read(length)))
        self.provider.asked.set()
        while not self.provider.answers.wait(0.05):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable:
                self.provider.left.set()
                return
        self.answer()

    def answer(self) -> None:
        """As one piece of a stream, and the usage after it."""
        asked = self.provider.requests[-1]
        is_planned = any(message["role"] == "tool" for message in asked["messages"])
        delta = {"role": "assistant", "content": ANSWER} if is_planned else PLANNING
        said = {"index": 0, "delta": delta, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        common = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
        pieces = [common | {"choices": [said]}, common | {"choices": [], "usage": usage}]
        lines = [*(json.dumps(piece) for piece in pieces), "[DONE]"]
        content = "".join(f"data: {line}\n\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass
