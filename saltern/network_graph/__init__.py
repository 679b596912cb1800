"""The network of a node as a graph: what is declared beside what is real, compared, laid out and drawn.

Pure: values in, values and texts out. All of it comes from a minion, so it is read strictly, bounded, and made harmless
before it is compared (`graph`); it is then only data to the drawings (`svg`, `text`).
"""
