"""Tests of app.rooms."""
