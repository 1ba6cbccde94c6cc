"""Values of a record: found by path, as a conversation, as JSON. It knows no format and no file."""


class BadRecordError(Exception):
    """One record is malformed; says field and reason."""


def check_unicode(text: str, field: str) -> None:
    """Refuses half a surrogate pair.

    Raises:
        BadRecordError: the text has one.
    """
    if not text.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise BadRecordError(f"field {field!r} has half a surrogate pair, which is no Unicode text")
