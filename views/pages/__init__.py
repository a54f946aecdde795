"""The report's pages, each made by itself from what `views.report_model` holds and, for a trial, from its own view.

Everything that comes from a job is hostile. Jinja escapes all of it; the only markup that is trusted is the pictures'
SVG, drawn by `views.charts` from data, and the pages' own style sheet and script. A page's policy
(`Content-Security-Policy`) allows these two, by their hashes, and nothing else: no other script, no style attribute,
nothing fetched.
"""
