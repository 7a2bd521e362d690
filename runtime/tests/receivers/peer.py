"""OpenTelemetry for Python at the other end of an HTTP call: it extracts what Rust sent, and sends what it injects.

GET /extract?format=…                      answers with what the request's own headers carried, a line each
GET /call?format=…&to=HOST:PORT&trace=…&span=…&sampled=…&state=…&baggage=…
                                           calls `to` in a span of these ids, and answers with what that answered
GET /spoiled?format=…&seed=…&count=…       answers with headers that were sound once, and what it reads out of each
"""

import random
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

FORMATS = {
    "tracecontext": TraceContextTextMapPropagator,
    "baggage": W3CBaggagePropagator,
    "b3": B3SingleFormat,
    "b3multi": B3MultiFormat,
    "jaeger": JaegerPropagator,
}


def propagator(names):
    return CompositePropagator([FORMATS[name]() for name in names.split(",")])


def quoted(text):
    """As the tests write it: printable ASCII as it is, all else by its number."""
    plain = lambda char: " " <= char <= "~" and char not in '"\\'
    return '"' + "".join(char if plain(char) else f"\\u{{{ord(char):x}}}" for char in text) + '"'


def told(context):
    span = trace.get_current_span(context).get_span_context()
    yield f"trace {span.trace_id:032x}"
    yield f"span {span.span_id:016x}"
    yield f"sampled {str(span.trace_flags.sampled).lower()}"
    yield f"remote {str(span.is_remote).lower()}"
    yield f"state {quoted(span.trace_state.to_header())}"
    for key, value in sorted(baggage.get_all(context).items()):
        yield f"baggage {quoted(key)} = {quoted(str(value))}"


ODD = list("0fFgzZ-+ \t:,;=%_'\"\0\n\x7f") + ["é", "世", "٣", "00", "ff", "-01", "0" * 40, ";" * 20, "a" * 9000]


def spoil(chance, text):
    """The text with a few things done to it that nobody should do."""
    for _ in range(chance.randint(0, 3)):
        at = chance.randint(0, len(text))
        end = chance.randint(at, min(len(text), at + 3))
        text = chance.choice(
            [text[:at] + chance.choice(ODD) + text[end:], text[:at] + text[end:], text[:at], text.upper(), text * 2]
        )
    return text


def spoiled(format, seed, count):
    """Paragraphs: a line for each header, and one for what is read out of them."""
    chance = random.Random(seed)
    for _ in range(count):
        flags = TraceFlags(chance.choice([0, 1]))
        ids = chance.choice([0, 1, chance.getrandbits(128)]), chance.choice([0, 1, chance.getrandbits(64)])
        context = trace.set_span_in_context(NonRecordingSpan(SpanContext(*ids, False, flags)), Context())
        headers = {}
        propagator(format).inject(headers, context)
        often = 1 / max(len(headers), 1)
        lines = [(name, spoil(chance, value) if chance.random() < often else value) for name, value in headers.items()]
        if lines and chance.random() < 0.1:
            lines.append((lines[0][0], spoil(chance, lines[0][1])))
        # What HTTP takes from both ends of a value.
        lines = [(name, value.strip(" \t")) for name, value in lines]
        carrier = {}
        for name, value in lines:
            carrier.setdefault(name.lower(), []).append(value)
        span = trace.get_current_span(propagator(format).extract(carrier, Context(), Lists())).get_span_context()
        for name, value in lines:
            yield f"{name} {quote(value, safe='')}"
        yield f"reads {span.is_valid} {span.trace_id:032x} {span.span_id:016x} {span.trace_flags.sampled}"
        yield ""


class Lists:
    def get(self, carrier, key):
        return carrier.get(key.lower())

    def keys(self, carrier):
        return list(carrier)


class Headers:
    """All values of each header, as a server has them."""

    def get(self, carrier, key):
        return carrier.get_all(key)

    def keys(self, carrier):
        return list(carrier.keys())


class Peer(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        asked = parse_qsl(url.query, keep_blank_values=True)
        first = dict(reversed(asked))
        try:
            answer = {"/extract": self.extract, "/call": self.call, "/spoiled": self.spoiled}[url.path](first, asked)
            status = 200
        except Exception as error:  # A test reads it.
            answer, status = f"{type(error).__name__}: {error}\n", 500
        body = answer.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def extract(self, first, _asked):
        context = propagator(first["format"]).extract(self.headers, Context(), Headers())
        return "".join(line + "\n" for line in told(context))

    def call(self, first, asked):
        flags = TraceFlags(TraceFlags.SAMPLED if first["sampled"] == "true" else TraceFlags.DEFAULT)
        state = TraceState.from_header([first["state"]] if first.get("state") else [])
        span = SpanContext(int(first["trace"], 16), int(first["span"], 16), False, flags, state)
        context = trace.set_span_in_context(NonRecordingSpan(span), Context())
        for entry in (value for name, value in asked if name == "baggage"):
            key, _, value = entry.partition("=")
            context = baggage.set_baggage(key, value, context)
        headers = {}
        propagator(first["format"]).inject(headers, context)
        connection = HTTPConnection(first["to"], timeout=10)
        connection.request("GET", "/", headers=headers)
        return connection.getresponse().read().decode()

    def spoiled(self, first, _asked):
        return "".join(line + "\n" for line in spoiled(first["format"], int(first["seed"]), int(first["count"])))

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Peer).serve_forever()
