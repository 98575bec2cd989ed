"""What answers requests: local models, toxicity scorers, text perturbers, and a scripted fake."""
