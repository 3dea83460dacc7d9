"""A web server that imitates Slack, as a process that can be killed: `webhook.py PORT FILE SEED`.

It writes a message to the file before it answers, one JSON object a line, so that a kill in between causes a
message that is delivered twice. Every third answer is an error.
"""

import json
import os
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = (200, 200, 200, 200, 429, 503)


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = chance.choice(ANSWERS)
        last = told["blocks"][-1]
        if (
            status == ANSWERS[0] and last["type"] == "context"
        ):  # the rest is of HemoStat itself, not of an incident
            incident = last["elements"][0]["text"].split()[-1].strip("`")
            heard = {"time": time.time(), "incident": incident, "text": told["text"]}
            os.write(file, json.dumps(heard).encode() + b"\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


if __name__ == "__main__":
    port, path, seed = sys.argv[1:]
    file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    chance = random.Random(seed)  # noqa: S311 - the same every time
    ThreadingHTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()
