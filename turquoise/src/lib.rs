//! Verified blue/green rotation of foundational credentials.
