"""The face of Covey: a Qt Quick window that is a client of the core."""
