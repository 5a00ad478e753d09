//! Vault and OpenBao behind the provider port.
