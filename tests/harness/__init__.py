"""What every black-box test shares: the real binary as a process, its control API, and providers we did not write it for."""
