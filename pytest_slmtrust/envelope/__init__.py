"""The resource envelope of a model: limits as a user writes them, the load, and what is read of the machine under it."""
