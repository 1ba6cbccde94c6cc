"""Rendering of a problem: its conversation, examples, chat templates, and the encoding as token ids."""
