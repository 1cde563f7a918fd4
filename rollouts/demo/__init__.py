"""The demo: one whole story on this machine, with a real controller, real pods, real requests and a real Prometheus."""
