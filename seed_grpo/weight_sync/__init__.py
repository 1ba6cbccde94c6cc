"""Weight sync: transports that send the policy to the rollout engines, and the canary that proves its arrival."""
