"""Recipes, encoders, features, training and prediction."""
