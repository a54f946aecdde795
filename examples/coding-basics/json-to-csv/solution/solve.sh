#!/bin/bash
cd /app && cat > export.py <<'EOF'
import csv
import json

with open("orders.json", encoding="utf-8") as source, open("orders.csv", "w", newline="", encoding="utf-8") as out:
    rows = csv.writer(out)
    rows.writerow(["id", "customer", "email", "total", "items"])
    for order in json.load(source):
        customer = order["customer"]
        email = customer.get("email", "")
        rows.writerow([order["id"], customer["name"], email, f"{order['total']:.2f}", len(order["items"])])
EOF
python3 export.py
