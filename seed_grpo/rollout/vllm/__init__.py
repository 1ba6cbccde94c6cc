"""The vLLM engine, and all that is particular to vLLM on the side of the engine."""
