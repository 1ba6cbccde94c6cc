"""gloo"""
