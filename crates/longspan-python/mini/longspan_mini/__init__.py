"""The weights of longspan-mini, for the package ``longspan``."""

import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model")
"""The folder of the checkpoint, in the layout of Hugging Face's libraries."""
