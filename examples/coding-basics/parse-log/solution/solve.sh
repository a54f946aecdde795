#!/bin/bash
cd /app && python3 - <<'EOF'
import collections, json, re

entry = re.compile(r"(\d{4}-\d\d-\d\dT\d\d):\S+ ERROR ")
hours = collections.Counter(match[1] for line in open("service.log") if (match := entry.match(line)))
json.dump(hours, open("errors.json", "w"), indent=1)
EOF
