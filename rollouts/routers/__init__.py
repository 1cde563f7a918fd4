"""Traffic routers: one file for each dialect of splitting traffic.

A router turns an intent into manifests and reads back what is in force (ports.TrafficRouter). It is pure, and knows
neither the core nor another router. Which weight is right, and when it may change, does not belong here; nor does
writing anything to a cluster.
"""
