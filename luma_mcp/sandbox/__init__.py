"""An emulator of Luma's APIs that shares no code with our client."""
