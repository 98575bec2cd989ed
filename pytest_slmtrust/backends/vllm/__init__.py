"""The backend for model folders as vLLM runs them, in child processes."""
