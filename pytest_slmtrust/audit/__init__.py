"""What a finding, a gate result and an audit are, and counting over findings."""
