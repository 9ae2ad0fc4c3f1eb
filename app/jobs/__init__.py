"""Work that outlives a request: claimed by a worker, watched, paused and taken up again by people."""
