"""A scale and an entropy of one's own: groups that agree are left alone, others get less weight."""

import numpy as np


def threshold(x, config):
    """Scale of a prompt with relative uncertainty x in [0, alpha]: 1 below half of alpha, then falling to 1 - alpha."""
    return 1.0 - max(0.0, 2.0 * x - config.alpha)


def collision(log_mass):
    """Rényi entropy of order 2, -log sum_k p_k^2, in nats, of the log masses of the meaning classes."""
    return -np.logaddexp.reduce(2.0 * log_mass)
