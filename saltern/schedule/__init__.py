"""When a minion or the master runs what by itself.

`item` reads what a schedule says, `slots` tells the times at which an item is due, `scheduler` decides what is to run
now. All three are pure: time comes in, decisions go out. Who it is for is a name (a minion's id, `master`): it gives
the splay and the phase of an interval.
"""
