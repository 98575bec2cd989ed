"""Decisions: rate, mean, gap and metric gates, paired gates, the policy and waivers."""
