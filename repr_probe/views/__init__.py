"""Views: random crops and colours of images, one at a time or batched on any device."""
