"""Looking for many words in a text at once."""

from __future__ import annotations

from pydantic_core import SchemaValidator, core_schema


class Words:
    """A pattern of alternatives, looked for in one pass over a text.

    The engine is Rust's, by way of pydantic: some hundred times faster at this than Python's `re`, which tries each
    alternative in turn. It has neither look-around nor back-references.
    """

    def __init__(self, pattern: str) -> None:
        self._schema = SchemaValidator(core_schema.str_schema(pattern=pattern))

    def found_in(self, text: str | bytes) -> bool:
        """Whether any of the words stands in a text; what is no UTF-8 in it stands for `?`."""
        if self._schema.isinstance_python(text):
            return True
        if text.isascii() or _ANY.isinstance_python(text):
            return False
        # The engine takes neither bytes that are no text nor half a character.
        whole = text.encode("utf-8", "replace") if isinstance(text, str) else text.decode("utf-8", "replace")
        return self._schema.isinstance_python(whole)


_ANY = SchemaValidator(core_schema.str_schema(pattern=""))
