//! the ordering thread, read models, due work, backup
