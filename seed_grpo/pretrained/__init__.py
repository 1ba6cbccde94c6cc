"""The folder of a pretrained model: what it holds, whether it is a whole model, and what an export passes on of it."""
