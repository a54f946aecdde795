import re


def is_part_number(text: str) -> bool:
    """Whether the text is a part number, such as AB-1234 or AB-1234-X."""
    raise NotImplementedError
