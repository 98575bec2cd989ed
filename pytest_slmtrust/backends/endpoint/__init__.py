"""The backend for a model behind an OpenAI-compatible server: its address, its wire, its dialects, its identity."""
