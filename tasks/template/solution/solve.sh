#!/bin/bash
cat > /app/slug.py <<'PROGRAM'
import re

print(re.sub("[^a-z0-9]+", "-", re.sub("[A-Z]", lambda letter: letter[0].lower(), input())).strip("-"))
PROGRAM
