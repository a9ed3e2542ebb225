"""The report: one self-contained HTML page over the published file, for Monday morning.

`rows` computes every figure, in SQL; `page` puts them into the page, whose script chooses among
them and draws. The page asks nobody for anything: a policy in it forbids every request.
"""
