"""A trace processor for rotel that lets no secret past the collector, whoever sent it.

    rotel start --otlp-with-trace-processor sanitise.py …

Texts under keys that look secret become `***`, and so do bearer tokens and card numbers inside other texts: in the
attributes of spans, events, links, scopes and the resource, inside lists too, in names, and in what a status says.

rotel hands on, unchanged, what a processor failed at. So nothing here may raise: what cannot be looked at is masked.
Lists come out of rotel 0.0.1a15 in reverse once there is any processor.
"""

import re

MASK = "***"

SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|api[._-]?key|private[._-]?key|authorization|cookie|credential|session[._-]?id",
    re.IGNORECASE,
)
BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def is_card(digits):
    """Whether the digits pass the check of Luhn, as those of every card do."""
    total = 0
    for place, digit in enumerate(reversed([int(digit) for digit in digits])):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def clean(text):
    """The text without what must not leave."""
    text = BEARER.sub(lambda match: f"{match.group(1)} {MASK}", text)
    return CARD.sub(lambda match: MASK if is_card(re.sub(r"\D", "", match.group())) else match.group(), text)


def clean_value(holder):
    """Cleans the texts of a value in place, in lists and maps too."""
    value = holder.value
    if isinstance(value, str):
        cleaned = clean(value)
        if cleaned != value:
            holder.string_value = cleaned
    elif hasattr(value, "__iter__") and not isinstance(value, bytes):
        for item in value:
            if hasattr(item, "key"):
                clean_attribute(item)
            else:
                clean_value(item)


def clean_attribute(attribute):
    try:
        if SECRET_KEY.search(attribute.key):
            attribute.value.string_value = MASK
        elif attribute.value is not None:
            clean_value(attribute.value)
    except Exception:
        attribute.value.string_value = MASK


def clean_attributes(owner):
    for attribute in owner.attributes:
        clean_attribute(attribute)


def process_spans(resource_spans):
    """What rotel calls for each batch."""
    if resource_spans.resource is not None:
        clean_attributes(resource_spans.resource)
    for scope_spans in resource_spans.scope_spans:
        if scope_spans.scope is not None:
            clean_attributes(scope_spans.scope)
        for span in scope_spans.spans:
            span.name = clean(span.name)
            clean_attributes(span)
            for event in span.events:
                event.name = clean(event.name)
                clean_attributes(event)
            for link in span.links:
                clean_attributes(link)
            if span.status is not None and span.status.message:
                status = span.status
                status.message = clean(status.message)
                span.status = status
