"""Icons, fonts, sounds and translations."""
