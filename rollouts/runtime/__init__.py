"""The shell: watches, caches, queues, workers, threads and the clock. No rollout rule lives here."""
