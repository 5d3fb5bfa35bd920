"""`scripts/effects`: what each fault does to each kind of socket call, measured, and the pages that say so.

Theory of operation
    `cases` names the faults, `measuring` makes the calls on a lab and says what they gave, `pages` writes the
    pages of the docs. A case is measured with all its calls at once: each is bounded by a timer of its own,
    so a case takes as long as its longest, some 3 s, and cases run side by side on labs of their own.
"""
