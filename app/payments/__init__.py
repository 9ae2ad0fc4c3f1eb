"""Payments as PortOne reports them: the list, one payment, and how our rows follow."""
