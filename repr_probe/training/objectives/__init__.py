"""Objectives: what each training method computes from views of images."""
