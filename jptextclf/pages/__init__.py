"""Pages: HTML and SVG from plain values, for reports, comparisons and notebooks.

It knows no model and computes nothing. One page needs no network, no font file and no library; whatever comes from data
is escaped, and isolated so that it cannot turn the direction of what stands beside it.
"""
