//! simulated providers, clients and faults
