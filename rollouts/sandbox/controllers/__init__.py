"""The controllers of the embedded cluster, one kind to a file: API clients, level-triggered, writing on change only.

They follow kube-controller-manager in what can be observed through the API. How an object is stored, admitted or
deleted is the server's business; how a pod runs is the node's.
"""
