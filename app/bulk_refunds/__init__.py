"""A file of refunds: read, checked row by row, confirmed and approved as one, then carried out as a job."""
