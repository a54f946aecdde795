#!/bin/bash
sed -i.bak 's|return total // size|return -(-total // size)|' /app/pagination.py && rm /app/pagination.py.bak
