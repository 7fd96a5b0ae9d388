"""A hub on this machine: serves one folder as a repository, over the hub's own HTTP interface.

`acme/parrot` is there, and so is `acme/sizes`, for its configs alone; `acme/secret` asks for the
token "right"; `acme/bare` and `acme/later` have no pipeline and one of a later diffusers;
`acme/gated` and `acme/absent` answer as the hub does for such.
"""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISIONS = ("main", "v1", COMMIT)
LATER = b'{"_class_name": "TomorrowPipeline"}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        self.server.asked.append(self.path)
        path = self.path.split("?")[0].strip("/")
        api = path.startswith("api/models/")
        parts = path.removeprefix("api/models/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        if error := self.refusal(name, rest):
            return self.send(error[0], b"{}", body, {"X-Error-Code": error[1]})
        if api:
            tree = rest[:1] == ["tree"]
            return self.send(200, json.dumps(self.tree() if tree else self.info(name)), body)
        file = self.server.folder / "/".join(rest[2:])
        if not file.is_file() or name == "acme/bare":
            return self.send(404, b"", body, {"X-Error-Code": "EntryNotFound"})
        content = LATER if name == "acme/later" else file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        return self.send(200, content, body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def refusal(self, name, rest):
        if name == "acme/secret" and self.headers.get("Authorization") != "Bearer right":
            return 401, "RepoNotFound"
        if name == "acme/gated":
            return 403, "GatedRepo"
        if name not in ("acme/parrot", "acme/secret", "acme/bare", "acme/later", "acme/sizes"):
            return 404, "RepoNotFound"
        if rest[:1] in (["resolve"], ["revision"], ["tree"]) and rest[1] not in REVISIONS:
            return 404, "RevisionNotFound"
        return None

    def files(self):
        return sorted(p for p in self.server.folder.rglob("*") if p.is_file())

    def info(self, name):
        names = [{"rfilename": str(p.relative_to(self.server.folder))} for p in self.files()]
        return {"id": name, "modelId": name, "sha": COMMIT, "siblings": names, "tags": []}

    def tree(self):
        return [
            {
                "type": "file",
                "path": str(p.relative_to(self.server.folder)),
                "size": p.stat().st_size,
                "oid": hashlib.sha1(p.read_bytes()).hexdigest(),
            }
            for p in self.files()
        ]

    def send(self, status, content, body, headers=None):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve(folder):
    """Start serving `folder`; the caller shuts the server down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder, server.asked = Path(folder), []
    Thread(target=server.serve_forever, daemon=True).start()
    return server
