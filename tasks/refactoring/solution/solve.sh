#!/bin/bash
set -e
cp /solution/vat.py /app/shop/vat.py
cd /app/shop && python3 /solution/rewrite.py
