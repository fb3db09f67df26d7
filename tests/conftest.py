"""What all tests share."""

from hypothesis import settings

# A test that takes long on a busy machine is not wrong; no test judges by the clock.
settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")
