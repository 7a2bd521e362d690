"""Where a Zipkin server would listen: what is posted to it goes through py-zipkin, and is told in text.

    POST /api/v2/spans        takes a list of spans; 202, or 400 with the reason
    GET  /told?service=…      every span of that service so far, in the order of their ids; 500 if one was refused

py-zipkin decodes nothing any more (`Encoding.V2_JSON decoding not yet implemented`), but it still writes: a span is taken
where py-zipkin finds it to be of version 2, and writes the same JSON again, made into a span of its own.
"""

import gzip
import json
import re
import sys
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from py_zipkin import Encoding, Kind
from py_zipkin.encoding import Endpoint, Span, detect_span_version_and_encoding, get_encoder

SPANS, REFUSED = [], []
LOCK = threading.Lock()
ID = re.compile("[0-9a-f]{16}")
TRACE_ID = re.compile("[0-9a-f]{32}")


def quoted(text):
    """As the tests write it: printable ASCII as it is, all else by its number."""
    plain = lambda char: " " <= char <= "~" and char not in '"\\'
    return '"' + "".join(char if plain(char) else f"\\u{{{ord(char):x}}}" for char in text) + '"'


class Refused(Exception):
    """Why a span is none."""


def once(pairs):
    """A JSON object, in which each name stands once."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Refused(f"a name stands twice among {[name for name, _ in pairs]}")
    return made


def seconds(microseconds):
    """As py-zipkin counts, without what a float would lose."""
    if type(microseconds) is not int or microseconds <= 0:
        raise Refused(f"{microseconds!r} are no microseconds")
    return Fraction(microseconds, 1_000_000)


def endpoint(made):
    names = {"serviceName": "service_name", "ipv4": "ipv4", "ipv6": "ipv6", "port": "port"}
    if made is None:
        return None
    return Endpoint(**{field: made.get(name) for name, field in names.items()})


def check(made):
    """The span that py-zipkin would write as this JSON; an error where it would write something else."""
    if not TRACE_ID.fullmatch(made["traceId"]) or not ID.fullmatch(made["id"]):
        raise Refused(f"{made['traceId']}, {made['id']}")
    if "parentId" in made and not ID.fullmatch(made["parentId"]):
        raise Refused(made["parentId"])
    # Its annotations are counted in floats, and each text stands once: they are looked at here.
    annotations = made.get("annotations", [])
    for annotation in annotations:
        if sorted(annotation) != ["timestamp", "value"] or not isinstance(annotation["value"], str):
            raise Refused(f"{annotation}")
        seconds(annotation["timestamp"])
    span = Span(
        trace_id=made["traceId"],
        name=made["name"],
        parent_id=made.get("parentId"),
        span_id=made["id"],
        kind=Kind(made.get("kind")),
        timestamp=seconds(made["timestamp"]),
        duration=seconds(made["duration"]),
        local_endpoint=endpoint(made.get("localEndpoint")),
        remote_endpoint=endpoint(made.get("remoteEndpoint")),
        tags=made.get("tags"),
    )
    again = json.loads(get_encoder(Encoding.V2_JSON).encode_span(span))
    # What is empty need not be written.
    full = {key: value for key, value in made.items() if key != "annotations" and value not in ("", {}, [])}
    if again != full:
        raise Refused(f"py-zipkin would write {again}, and not {full}")


def told(made):
    local, remote = made["localEndpoint"], made.get("remoteEndpoint", {})
    yield f"span {quoted(made['name'])} {made.get('kind', 'none').lower()}"
    yield f"  trace={made['traceId']} id={made['id']} parent={made.get('parentId', '')}"
    yield f"  from {made['timestamp']} for {made['duration']}"
    for annotation in made.get("annotations", []):
        yield f"  annotation {quoted(annotation['value'])} at {annotation['timestamp']}"
    for key, value in sorted(made.get("tags", {}).items()):
        yield f"  tag {quoted(key)} = {quoted(value)}"
    yield f"  local {quoted(local['serviceName'])}"
    for key, value in sorted(remote.items()):
        yield f"  remote {key} {quoted(str(value))}"


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            if self.path != "/api/v2/spans" or self.headers["content-type"] != "application/json":
                raise Refused(f"{self.path}: {self.headers['content-type']}")
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            if detect_span_version_and_encoding(body) != Encoding.V2_JSON:
                raise Refused("it is not version 2")
            spans = json.loads(body, object_pairs_hook=once)
            for made in spans:
                check(made)
        except Exception as error:  # Whatever it is, the test is to read it.
            with LOCK:
                REFUSED.append(f"{type(error).__name__}: {error}")
            self.answer(400, REFUSED[-1])
            return
        with LOCK:
            SPANS.extend(spans)
        self.answer(202, "")

    def do_GET(self):
        (service,) = parse_qs(urlsplit(self.path).query)["service"]
        with LOCK:
            spans = [made for made in SPANS if made["localEndpoint"]["serviceName"] == service]
            refused = "\n".join(REFUSED)
        spans.sort(key=lambda made: made["id"])
        text = "".join("\n".join(told(made)) + "\n\n" for made in spans)
        self.answer(500 if refused else 200, refused or text)

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
