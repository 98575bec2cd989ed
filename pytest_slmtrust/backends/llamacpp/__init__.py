"""The backend for GGUF files as llama.cpp runs them, through its own server in a child process."""
