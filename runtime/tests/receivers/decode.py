"""What a session of ddapm-test-agent received, decoded from the raw bytes by Google's protobuf, and told in text.

    decode.py HOST:PORT SERVICE

One paragraph for each span of the service, in the order of their ids. Strict: a field that OTLP does not have, an id of
a wrong length or an enum that is not a number is an error, though receivers may forgive it.
"""

import base64
import gzip
import json
import struct
import sys
from urllib.request import urlopen

from google.protobuf.json_format import ParseDict
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

KINDS = {number: name.removeprefix("SPAN_KIND_").lower() for name, number in Span.SpanKind.items()}
STATUS = ["unset", "ok", "error"]
IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def quoted(text):
    """As the tests write it: printable ASCII as it is, all else by its number."""
    plain = lambda char: " " <= char <= "~" and char not in '"\\'
    return '"' + "".join(char if plain(char) else f"\\u{{{ord(char):x}}}" for char in text) + '"'


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "string_value":
        return quoted(any_value.string_value)
    if kind == "bool_value":
        return f"bool {str(any_value.bool_value).lower()}"
    if kind == "int_value":
        return f"int {any_value.int_value}"
    if kind == "double_value":
        number = any_value.double_value
        # By its bits, since all of them are to arrive; of NaN there are many, and they are one.
        return "float NaN" if number != number else f"float {struct.pack('>d', number).hex()}"
    if kind == "array_value":
        return "[" + ", ".join(value(each) for each in any_value.array_value.values) + "]"
    return str(kind)


def attributes(owner, indent):
    for attribute in owner.attributes:
        yield f"{indent}{quoted(attribute.key)} = {value(attribute.value)}"
    if owner.dropped_attributes_count:
        yield f"{indent}{owner.dropped_attributes_count} attributes dropped"


def told(resource, scope, schema, span):
    yield f"span {quoted(span.name)} {KINDS[span.kind]} flags={span.flags:x}"
    yield f"  trace={span.trace_id.hex()} id={span.span_id.hex()} parent={span.parent_span_id.hex()}"
    yield f"  state {quoted(span.trace_state)}"
    yield f"  from {span.start_time_unix_nano} to {span.end_time_unix_nano}"
    yield f"  {STATUS[span.status.code]} {quoted(span.status.message)}"
    yield from attributes(span, "  ")
    for event in span.events:
        yield f"  event {quoted(event.name)} at {event.time_unix_nano}"
        yield from attributes(event, "    ")
    if span.dropped_events_count:
        yield f"  {span.dropped_events_count} events dropped"
    for link in span.links:
        yield f"  link trace={link.trace_id.hex()} id={link.span_id.hex()} flags={link.flags:x}"
        yield f"    state {quoted(link.trace_state)}"
        yield from attributes(link, "    ")
    if span.dropped_links_count:
        yield f"  {span.dropped_links_count} links dropped"
    yield f"  scope {quoted(scope.name)} {quoted(scope.version)} {quoted(schema)}"
    yield from attributes(scope, "    ")
    yield "  resource"
    yield from sorted(attributes(resource, "    "))


def refuse_unknown(message):
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise SystemExit(f"{type(message).__name__} has a field that OTLP has not: {unknown[0].field_number}")
    for field, inside in message.ListFields():
        if field.message_type is not None:
            for each in inside if hasattr(inside, "__len__") and not hasattr(inside, "ListFields") else [inside]:
                refuse_unknown(each)


def from_json(item):
    """OTLP's JSON as protobuf's: ids are in hexadecimal there, and enums are numbers."""
    if isinstance(item, list):
        return [from_json(each) for each in item]
    if not isinstance(item, dict):
        return item
    made = {}
    for key, inside in item.items():
        if key in IDS and inside != "":
            if len(inside) != IDS[key]:
                raise SystemExit(f"`{key}` is `{inside}`")
            inside = base64.b64encode(bytes.fromhex(inside)).decode()
        elif key in ("kind", "code") and not isinstance(inside, int):
            raise SystemExit(f"`{key}` is {inside!r}, and not a number")
        made[key] = from_json(inside)
    return made


def decoded(request):
    body = base64.b64decode(request["body"])
    headers = {name.lower(): text for name, text in request["headers"].items()}
    if headers.get("content-encoding") == "gzip" and body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    message = ExportTraceServiceRequest()
    if headers["content-type"] == "application/json":
        return ParseDict(from_json(json.loads(body)), message)
    message.ParseFromString(body)
    refuse_unknown(message)
    return message


def main(address, service):
    with urlopen(f"http://{address}/test/session/requests", timeout=30) as answer:
        requests = json.load(answer)
    spans = []
    for request in requests:
        if not request["url"].endswith("/v1/traces"):
            continue
        for resource_spans in decoded(request).resource_spans:
            resource = resource_spans.resource
            name = next((each.value.string_value for each in resource.attributes if each.key == "service.name"), None)
            if name != service:
                continue
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    text = "\n".join(told(resource, scope_spans.scope, scope_spans.schema_url, span))
                    spans.append((span.span_id, text))
    # Names and values of other encodings would be an error here, and not a question mark.
    sys.stdout.reconfigure(encoding="ascii")
    for _, text in sorted(spans):
        print(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
