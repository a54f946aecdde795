#!/bin/bash
cd /app && python3 - <<'EOF'
from pathlib import Path

parser = Path("inventory/parser.py")
text = parser.read_text()
text = text.replace('line.split("#")[0]', 'line.split("#")[0].strip()')
text = text.replace("rows.append((name, ", "rows.append((name.strip(), ")
parser.write_text(text)
EOF
