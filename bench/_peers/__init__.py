"""Proxies of other projects, started for a comparison on the same machine in the same minute."""
