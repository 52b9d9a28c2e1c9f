"""Tests of app.rooms.law."""
