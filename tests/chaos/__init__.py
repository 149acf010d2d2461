"""Faults on the real stack, by a schedule that a seed gives, while events come in. Results must equal a recount after
each.

`python -m tests.chaos` is the long form, with a stack of its own; tests/pipeline/test_chaos.py the short one. Faults
are in `faults`, one kind of cause a file; what comes in is in `traffic`.
"""
