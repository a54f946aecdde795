#!/bin/bash
cd /app/shop && sed -i.bak 's/\bcalc\b/line_total/g' *.py && rm -- *.bak
