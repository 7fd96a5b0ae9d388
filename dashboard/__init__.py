"""The dashboard: charts, the worker that owns the model, and what the pages are made of.

``pages -> dashboard -> sdlab``: a page calls in here, nothing here calls a page.
"""
