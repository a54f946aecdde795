#!/bin/bash
cat > /app/validator.py <<'EOF'
import re


def is_part_number(text: str) -> bool:
    """Whether the text is a part number, such as AB-1234 or AB-1234-X."""
    return re.fullmatch(r"[A-Z]{2}-[0-9]{4}(-[XYZ])?", text) is not None
EOF
