"""The pure centre: every decision and every word of status. Values in, values out; no IO, no clock."""
