//! archive (in the making).
