"""What a Rollout costs: figures of one controller process for a fleet of Rollouts on the sandbox."""
