"""Backbones, their weights, and heads."""
