"""An embedded Kubernetes cluster on loopback. Shares no code with the controller."""
