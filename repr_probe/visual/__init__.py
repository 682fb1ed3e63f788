"""Visual: where in the image a network looks."""
