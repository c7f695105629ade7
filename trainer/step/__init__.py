"""One step of learning: noise, loss, gradient, optimizer."""
