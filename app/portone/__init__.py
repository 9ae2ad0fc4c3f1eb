"""PortOne V2 over HTTP: plain values in, frozen dataclasses out."""
