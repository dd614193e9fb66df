"""The agent: a loop of model, tool calls and observations, each step on disk before the next."""
