"""The whole messenger without a face: one core process per profile."""
