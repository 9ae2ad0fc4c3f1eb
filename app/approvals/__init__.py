"""The second person, limits, and proving again who one is: for refunds and charges alike."""
