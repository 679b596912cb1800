"""What the minion runs by itself; when, is `saltern.schedule`."""
