"""What the minion runs by itself, and when.

`item` reads what a schedule says, `slots` tells the times at which an item is due, `scheduler` decides what is to run
now. All three are pure: time comes in, decisions go out.
"""
