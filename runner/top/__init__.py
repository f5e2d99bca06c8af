"""``slug-run top``: what an app's containers do, drawn anew every few seconds.

`look` reads what there is (from the supervisor, the machine and the notes of one-offs); two looks
give `figures`; `columns` chooses what fits, `picture` makes lines of it, without a terminal;
`screen` is the terminal, `live` the loop.
"""
