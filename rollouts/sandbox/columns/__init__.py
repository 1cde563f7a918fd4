"""The columns and cells in which a server shows each built-in kind.

One `Printer` for a kind: its columns, and a function from an object to its cells. Columns of priority 1 are shown with
`-o wide` only; the server sends them always. What a table looks like on the wire is the business of `tables`.
"""
